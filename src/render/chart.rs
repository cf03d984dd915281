//! A report's chart: how many registered in each part of its period, as bars.
//!
//! It says nothing that the words beside it do not: pictures are often not shown, and never heard. It has no letters, which
//! would need a font, and no ground, so that it looks well on a light page and on a dark one.

use png::{BitDepth, ColorType, Encoder, EncodingError};

use crate::domain::ReportPart;

/// Twice as large as it is shown, so that it is sharp on every screen.
const WIDTH: usize = 1120;
const HEIGHT: usize = 240;

/// How thick the line is on which the bars stand.
const GROUND: usize = 4;

/// How round a bar's upper corners are.
const ROUND: usize = 12;

/// Numbers of [`PALETTE`]. Zero is nothing at all.
const LINE: u8 = 1;
const BAR: u8 = 2;

/// Red, green and blue of each: nothing, a grey, and the shop's page's own colour.
const PALETTE: &[u8] = &[0xFF, 0xFF, 0xFF, 0x9A, 0xA7, 0xB3, 0x0F, 0x8A, 0x8D];

/// Nothing is seen through.
const OPACITY: &[u8] = &[0x00, 0xFF, 0xFF];

/// The chart of these parts, as a PNG. Always the same for the same parts.
pub(super) fn draw(parts: &[ReportPart]) -> Result<Vec<u8>, EncodingError> {
    let mut pixels = vec![0_u8; WIDTH * HEIGHT];
    let floor = HEIGHT - GROUND;
    pixels[floor * WIDTH..].fill(LINE);
    let most = parts.iter().map(|part| part.registrations).max().unwrap_or(0).max(1);
    for (nth, part) in parts.iter().enumerate() {
        let (begin, end) = (nth * WIDTH / parts.len(), (nth + 1) * WIDTH / parts.len());
        let gap = (end - begin) / 6;
        // A few are more than none.
        let least = if part.registrations == 0 { 0 } else { GROUND };
        let share = u128::from(part.registrations) * floor as u128 / u128::from(most);
        let height = usize::try_from(share).unwrap_or(floor).clamp(least, floor);
        bar(&mut pixels, begin + gap..end - gap, floor - height..floor);
    }
    let mut image = Vec::new();
    let mut encoder = Encoder::new(&mut image, 1120, 240);
    encoder.set_color(ColorType::Indexed);
    encoder.set_depth(BitDepth::Eight);
    encoder.set_palette(PALETTE);
    encoder.set_trns(OPACITY);
    let mut writer = encoder.write_header()?;
    writer.write_image_data(&pixels)?;
    writer.finish()?;
    Ok(image)
}

fn bar(pixels: &mut [u8], across: std::ops::Range<usize>, down: std::ops::Range<usize>) {
    let round = ROUND.min(across.len() / 2).min(down.len());
    for (depth, y) in down.enumerate() {
        let inset = if depth < round { corner(round, round - depth) } else { 0 };
        let (begin, end) = (across.start + inset, across.end - inset);
        if begin < end {
            pixels[y * WIDTH + begin..y * WIDTH + end].fill(BAR);
        }
    }
}

/// How far a quarter of a circle of this radius is from its corner, so high above its middle.
fn corner(radius: usize, height: usize) -> usize {
    (0..radius).find(|inset| (radius - inset).pow(2) + height.pow(2) <= radius.pow(2)).unwrap_or(radius)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parts(counts: &[u64]) -> Vec<ReportPart> {
        counts.iter().map(|count| ReportPart { registrations: *count, ..ReportPart::default() }).collect()
    }

    /// The colours of the picture, row by row.
    fn pixels(picture: &[u8]) -> Vec<u8> {
        let mut reader = png::Decoder::new(std::io::Cursor::new(picture)).read_info().unwrap();
        let mut pixels = vec![0; reader.output_buffer_size().unwrap()];
        let frame = reader.next_frame(&mut pixels).unwrap();
        assert_eq!((frame.width, frame.height), (1120, 240));
        pixels
    }

    #[test]
    fn a_bar_is_as_high_as_its_share_of_the_highest() {
        let drawn = draw(&parts(&[10, 5, 0, 1_000_000])).unwrap();
        assert_eq!(drawn, draw(&parts(&[10, 5, 0, 1_000_000])).unwrap());
        let pixels = pixels(&drawn);
        let height = |bar: usize| {
            let middle = bar * WIDTH / 4 + WIDTH / 8;
            (0..HEIGHT).filter(|y| pixels[y * WIDTH + middle] == BAR).count()
        };
        assert_eq!([height(0), height(1), height(2), height(3)], [GROUND, GROUND, 0, HEIGHT - GROUND]);
        assert!(pixels[(HEIGHT - 1) * WIDTH..].iter().all(|pixel| *pixel == LINE));
    }

    #[test]
    fn every_period_has_a_chart() {
        for counts in [&[][..], &[0, 0], &[u64::MAX; 31], &[1; 1000]] {
            pixels(&draw(&parts(counts)).unwrap());
        }
    }
}
