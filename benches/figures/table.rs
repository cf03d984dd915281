//! The table of results: medians with their spread, as Markdown, so that it can be pasted into a document.

/// Several measurements of one thing.
#[derive(Clone, Default)]
pub(crate) struct Series(Vec<f64>);

impl Series {
    /// Takes one more.
    pub(crate) fn push(&mut self, value: f64) {
        self.0.push(value);
        self.0.sort_unstable_by(f64::total_cmp);
    }

    /// The one in the middle; of two, the lower.
    pub(crate) fn median(&self) -> f64 {
        self.0.get(self.0.len().saturating_sub(1) / 2).copied().unwrap_or(f64::NAN)
    }

    /// The median, and the least and the most when there was more than one.
    pub(crate) fn show(&self, unit: &str) -> String {
        match self.0.as_slice() {
            [] => "not measured".to_owned(),
            [only] => format!("{}{unit}", number(*only)),
            [least, .., most] => format!("{}{unit} ({}–{})", number(self.median()), number(*least), number(*most)),
        }
    }
}

/// A number with the digits that mean something.
pub(crate) fn number(value: f64) -> String {
    if !value.is_finite() {
        return "–".to_owned();
    }
    if value < 100.0 {
        return format!("{value:.2}");
    }
    let digits = format!("{value:.0}");
    let mut grouped = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index) % 3 == 0 {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped
}

/// What was measured, row by row.
#[derive(Default)]
pub(crate) struct Table {
    rows: Vec<[String; 3]>,
}

impl Table {
    /// Adds a row: what, the figure, and what we want to reach (or an empty text).
    pub(crate) fn row(&mut self, what: &str, figure: String, reach: &str) {
        eprintln!("  {what}: {figure}");
        self.rows.push([what.to_owned(), figure, reach.to_owned()]);
    }

    /// The whole table.
    pub(crate) fn print(&self) {
        let head = ["what", "measured: median (least–most)", "to reach"].map(str::to_owned);
        let width =
            |column: usize| self.rows.iter().chain([&head]).map(|row| row[column].chars().count()).max().unwrap_or(0);
        let widths = [width(0), width(1), width(2)];
        let line = |row: &[String; 3]| {
            println!(
                "| {:<a$} | {:<b$} | {:<c$} |",
                row[0],
                row[1],
                row[2],
                a = widths[0],
                b = widths[1],
                c = widths[2]
            );
        };
        println!();
        line(&head);
        println!("|-{}-|-{}-|-{}-|", "-".repeat(widths[0]), "-".repeat(widths[1]), "-".repeat(widths[2]));
        self.rows.iter().for_each(line);
    }
}
