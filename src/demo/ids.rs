//! Ids of version 7 that are the same every time: the moment, chance, and the number of a customer at the end.

use super::chance;

/// The id of whatever these name, made at `at`.
pub(super) fn id(at: i64, seed: u64, number: u32, nth: u64) -> [u8; 16] {
    let mut id = chance::of(seed, u64::from(number), 1_000 + nth).u128(..).to_be_bytes();
    id[..6].copy_from_slice(&at.max(0).to_be_bytes()[2..]);
    id[6] = 0x70 | id[6] & 0x0F;
    id[8] = 0x80 | id[8] & 0x3F;
    id[12..].copy_from_slice(&number.to_be_bytes());
    id
}

/// The customer's number in such an id.
pub(super) fn number(id: &[u8; 16]) -> u32 {
    u32::from_be_bytes([id[12], id[13], id[14], id[15]])
}

/// What stands for such an id where chance is asked for.
pub(super) fn seed(id: &[u8; 16]) -> u64 {
    u64::from_be_bytes([id[8], id[9], id[10], id[11], id[12], id[13], id[14], id[15]])
}
