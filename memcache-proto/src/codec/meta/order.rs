/// In which order those flags stand by whose order servers go: whether an item is looked at for being soon
/// to expire before or after it has a new exptime (`R`, `T`), which of two exptimes an item that is made
/// keeps (`T`, `N`), and which of them is told (`t`).
///
/// What is built has one order. What was parsed keeps its own, as it would mean something else otherwise.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Order([u8; 4]);

impl Order {
    /// Of `mg` as it is built: an item that is soon to expire is so before it has a new exptime, one that is
    /// made has that of `N`, and `t` then tells it.
    pub(crate) const GET: Self = Order(*b"RTNt");
    /// Of `ma` as it is built.
    pub(crate) const COUNT: Self = Order(*b"\0NTt");

    /// The order of the letters that matter among these. It is `built` itself if they stand as that has them.
    pub(crate) fn of(letters: impl Iterator<Item = u8>, built: Self) -> Self {
        let mut order = [0; 4];
        let found = letters.filter(|letter| built.0.contains(letter));
        order.iter_mut().zip(found).for_each(|(place, letter)| *place = letter);
        let order = Order(order);
        let as_built = built.there().filter(|letter| order.0.contains(letter));
        if as_built.eq(order.there()) { built } else { order }
    }

    /// The letters in this order, and behind them those that have been added since.
    pub(crate) fn letters(self, built: Self) -> impl Iterator<Item = u8> {
        self.there().chain(built.there().filter(move |letter| !self.0.contains(letter)))
    }

    fn there(self) -> impl Iterator<Item = u8> {
        self.0.into_iter().filter(|&letter| letter != 0)
    }
}
