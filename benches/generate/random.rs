//! Numbers from a seed (SplitMix64), the same on every machine.

/// A stream of numbers.
#[derive(Clone)]
pub struct Random(u64);

impl Random {
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// From 0 to `n` - 1.
    pub fn below(&mut self, n: usize) -> usize {
        (self.next() % n.max(1) as u64) as usize
    }

    /// From 0 to 1.
    pub fn share(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1u64 << 53) as f64
    }

    /// True in this share of cases.
    pub fn chance(&mut self, share: f64) -> bool {
        self.share() < share
    }

    pub fn pick<T: Copy>(&mut self, all: &[T]) -> T {
        all[self.below(all.len())]
    }

    /// A size whose median, 90th and 99th percentile and maximum are these, straight lines between them on a log scale.
    pub fn size(&mut self, [median, p90, p99, most]: [f64; 4]) -> usize {
        let knots = [(0.0, median / 8.0), (0.5, median), (0.9, p90), (0.99, p99), (1.0, most)];
        let at = self.share();
        let between = knots.windows(2).find(|k| at <= k[1].0).unwrap_or(&knots[3..]);
        let ((from, low), (to, high)) = (between[0], between[1]);
        let part = (at - from) / (to - from);
        (low.max(1.0).ln() * (1.0 - part) + high.max(1.0).ln() * part).exp() as usize
    }

    /// An id as UUIDs look.
    pub fn uuid(&mut self) -> String {
        let (a, b) = (self.next(), self.next());
        let (b1, b2) = ((b >> 48) & 0x3fff | 0x8000, b & 0xffff_ffff_ffff);
        format!("{:08x}-{:04x}-4{:03x}-{b1:04x}-{b2:012x}", a >> 32, (a >> 16) & 0xffff, a & 0xfff)
    }

    /// An id of letters and digits after a prefix.
    pub fn id(&mut self, prefix: &str) -> String {
        const SIGNS: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
        let mut out = String::from(prefix);
        out.extend((0..22).map(|_| char::from(SIGNS[self.below(SIGNS.len())])));
        out
    }
}
