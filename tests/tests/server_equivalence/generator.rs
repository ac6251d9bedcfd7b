use crate::left_out::{MAX_LACKING, counts, has, has_long_word, is_left_out, lacking};

/// What is sent at once, or needs an answer first.
#[derive(Clone)]
pub(crate) enum Step {
    /// Bytes that may be sent together with what is before and behind them.
    Send(Vec<u8>),
    /// Bytes before and behind which all answers are awaited.
    Alone(Vec<u8>),
    /// Bytes that close the connection.
    Close(Vec<u8>),
    /// A `gets` of the key, and then a `cas` with the unique that came.
    Cas { key: Vec<u8>, value: Vec<u8>, noreply: bool },
    /// An `mg` that asks for a cas unique, and then a command in which that stands for [`UNIQUE`].
    Unique { asking: Vec<u8>, command: Vec<u8> },
}

/// In a command, where a cas unique is to be.
pub(crate) const UNIQUE: &[u8] = b"{unique}";

/// Odd forms that are answered alike in all versions.
#[rustfmt::skip]
const ALIKE: &[&str] = &[
    "mx\r\n", "mxy\r\n", "get / HTTP/1.0\r\n", "gat x a\r\n",
    "get a b c d e a b c d e a b c d e a b c d e a b c d e a b c d e\r\n", "incr a 1 x\r\n",
    "a b c d e a b c d e a b c d e a b c HTTP/ e a b c d HTTP/\r\n",
    "incr a -1\r\n", "incr a noreply\r\n", "touch a x noreply\r\n", "touch a noreply\r\n",
    "touch a 99999999999999999999\r\n", "delete a 0\r\n", "delete a 0 noreply\r\n",
    "flush_all x\r\n", "flush_all x noreply\r\n", "flush_all 0 0\r\n",
    "flush_all noreply noreply\r\n", "verbosity x\r\n", "verbosity noreply\r\n",
    "verbosity 1 2\r\n", "version 1 2\r\n", "cache_memlimit\r\n", "cache_memlimit x\r\n",
    "cache_memlimit x noreply\r\n", "cache_memlimit 1000000001\r\n", "cache_memlimit -1\r\n",
    "stats detail\r\n", "stats detail x\r\n", "stats bogus\r\n", "stats cachedump\r\n",
    "stats cachedump 1\r\n", "stats cachedump x 1\r\n", "stats cachedump 64 1\r\n",
    "stats reset x\r\n", "stats sizes\r\n", "set a 0 0 1 x\r\n1\r\n", "cas a 0 0 1 1 x\r\n1\r\n",
    "set a 0 0 -1\r\n", "set a 0 0 2147483646\r\n", "set a 0 0 2147483647\r\n",
    "set a 4294967297 0 1\r\n1\r\n", "set a 18446744073709551615 0 1\r\n1\r\n",
    "set a 0 0 2\r\nab\nversion\r\n", "set a 0 0 1\r\n1\n\n",
    "lru_crawler\r\n", "lru_crawler metadump\r\n", "lru_crawler bogus x\r\n", "set a 0 0 1\r\n1\rx",
    "append a 0 0 3\r\n~\r\n\r\n", "set minus 0 0 2\r\n-5\r\nincr minus 1\r\n",
];

/// Forms that no mutation of a valid one is likely to give, and that versions answer differently.
#[rustfmt::skip]
const ODD: &[&str] = &[
    "\r\n", "\n", "\r\r\n", " \r\n", "g\r\n", "get\r\n", "gets \r\n", "gat 0\r\n", "gat\r\n",
    "bget a\r\n", "  get   a   b  \r\n", "get a\0b\r\n", "\0\r\n",
    "incr a\r\n",
    "incr a 1 2 3\r\n", "incr a -18446744073709551615\r\n", "decr a +1\r\n", "incr a 1\tx\r\n",
    "touch a\r\n", "delete\r\n", "delete a 1\r\n", "delete a 1 noreply\r\n",
    "delete a noreply noreply\r\n", "delete a b c d\r\n", "delete a 00\r\n", "flush_all 0 0 0\r\n",
    "verbosity\r\n", "verbosity 1 2 3\r\n", "shutdown\r\n", "shutdown now please\r\n", "set\r\n",
    "set a 0 0\r\n", "set a 0 0 1 x y\r\n", "cas a 0 0 1\r\n1\r\n", "cas a 0 0 1 x\r\n1\r\n",
    "set a 0 0 -1 noreply\r\n", "set a x 0 1 noreply\r\nx\r\n", "set a 0 0 4294967297\r\n1\r\n",
    "set a -1 0 1\r\n1\r\n", "set a +1 0 +1\r\n1\r\n", "set a 0 0 1\r\n123\r\n",
    "set a 0 0 3\r\n1\r\n", "set a 0 0 3 noreply\r\n12345\r\n", "SET a 0 0 1\r\n1\r\n",
];

/// A number that is counted: even with some digits before or behind it one that is below 2^63, or above
/// what 64 bits hold. See the mask.
pub(crate) const LARGE: &str = "200000000000000000";

/// Makes sequences, the same for the same seed.
pub(crate) struct Generator {
    state: u64,
    /// Only what all versions of memcached answer alike, not just 1.6.18.
    portable: bool,
    /// Whether there is a get, that holds its items, whose answer may not have been sent when the next step comes.
    get_pending: bool,
}

impl Generator {
    /// The sequence of this seed.
    pub(crate) fn sequence(seed: u64, portable: bool) -> Vec<Step> {
        let mut generator = Generator { state: seed, portable, get_pending: false };
        let mut steps: Vec<_> =
            (0..generator.below(12) + 2).map(|_| generator.next_step()).collect();
        if generator.one_in(10) {
            let delay = generator.pick(&["2592000", "1000000000", "2147483647 noreply"]);
            steps.push(Step::Send(format!("flush_all {delay}\r\n").into_bytes()));
        }
        steps
    }

    /// A number below `bound` (splitmix64).
    pub(crate) fn below(&mut self, bound: usize) -> usize {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.state;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        usize::try_from((z ^ (z >> 31)) % u64::try_from(bound).unwrap()).unwrap()
    }

    pub(crate) fn one_in(&mut self, n: usize) -> bool {
        self.below(n) == 0
    }

    pub(crate) fn pick<'a, T: ?Sized>(&mut self, from: &[&'a T]) -> &'a T {
        from[self.below(from.len())]
    }

    /// A step; where a version may answer it otherwise behind a pending get, one that waits.
    fn next_step(&mut self) -> Step {
        let step = self.step();
        let step = match step {
            Step::Send(bytes) if self.get_pending && counts(&bytes) => Step::Alone(bytes),
            step => step,
        };
        self.get_pending = match &step {
            Step::Send(bytes) => {
                let holds = self.portable && bytes.starts_with(b"g") || has(bytes, b"mg ");
                self.get_pending || holds
            }
            Step::Alone(_) | Step::Close(_) | Step::Cas { .. } | Step::Unique { .. } => false,
        };
        step
    }

    fn step(&mut self) -> Step {
        match self.below(100) {
            0..5 => {
                let (key, value) = (self.key(), self.value());
                Step::Cas { key, value, noreply: self.one_in(8) }
            }
            8 if self.one_in(6) => Step::Alone(self.large()),
            9 if self.one_in(2) => Step::Close(self.closing()),
            10..16 => Step::Send(self.fixed()),
            16..20 => self.odd(),
            20..50 if !self.portable => {
                let step = self.meta();
                match step {
                    Step::Send(command) if self.one_in(6) => self.broken_or(command),
                    step => step,
                }
            }
            _ => {
                let command = self.command();
                if !self.one_in(4) {
                    return Step::Send(command);
                }
                if self.portable {
                    return Step::Send(self.spaced(command));
                }
                self.broken_or(command)
            }
        }
    }

    /// The command with something wrong with it, unless that is left out.
    fn broken_or(&mut self, command: Vec<u8>) -> Step {
        let mut broken = self.broken(command.clone());
        if is_left_out(&broken, &command) {
            return Step::Send(command);
        }
        if lacking(&broken) > 0 {
            // Lest a `-` in the next command be left in memory, behind a counter of later.
            broken.extend_from_slice(format!("version{:MAX_LACKING$}\r\n", "").as_bytes());
        }
        // Those of a get lose the answers before them.
        if has_long_word(&broken) { Step::Alone(broken) } else { Step::Send(broken) }
    }

    pub(crate) fn key(&mut self) -> Vec<u8> {
        match self.below(40) {
            0 => vec![b'k'; 250],
            1 => b"a\tb".to_vec(),
            2 => b"\x01\x7f".to_vec(),
            3 => "k\u{e9}\u{4f1a}".into(),
            4 => b"noreply".to_vec(),
            5 => b"0".to_vec(),
            6 => b"a:b".to_vec(),
            n => [b'a' + u8::try_from(n % 5).unwrap()].to_vec(),
        }
    }

    pub(crate) fn value(&mut self) -> Vec<u8> {
        match self.below(16) {
            0 => Vec::new(),
            1 => b"get a\r\nflush_all\r\n".to_vec(),
            2 => b"x\r\nVALUE a 0 1\r\n1\r\nEND\r\n".to_vec(),
            3 => {
                // No minus sign here or elsewhere, and no white space at the start: see the mask.
                let len = self.below(300) + 1;
                let bytes = (0..len).map(|_| u8::try_from(self.below(256)).unwrap());
                let bytes = bytes.map(|byte| if byte == b'-' { b'+' } else { byte });
                std::iter::once(b'~').chain(bytes).collect()
            }
            4 => LARGE.into(),
            5 => b"18446744073709551616".to_vec(),
            6 => b"+5".to_vec(),
            7 => b"12 ".to_vec(),
            8 => b"+7x".to_vec(),
            9 => b"007".to_vec(),
            10 => b"3\t4".to_vec(),
            // In lines that are not too long, should they be taken for commands.
            11 => format!("{}\r\n", "v".repeat(98)).repeat(self.below(50)).into_bytes(),
            _ => self.below(1_200).to_string().into_bytes(),
        }
    }

    fn exptime(&mut self) -> &'static str {
        const WITHIN: &[&str] = &[
            "0",
            "0",
            "0",
            "0",
            "100",
            "1000",
            "-1",
            "2592000",
            "2592001",
            "1000000000",
            "2147483647",
        ];
        self.pick(WITHIN)
    }

    /// An exptime that may not be one of 32 bits.
    fn wide_exptime(&mut self) -> &'static str {
        if self.one_in(4) {
            return self.pick(&["2147483648", "4294967297000", "-2147483649"]);
        }
        self.exptime()
    }

    /// The exptime of a gat or touch.
    fn new_exptime(&mut self) -> &'static str {
        if self.portable { self.exptime() } else { self.wide_exptime() }
    }

    fn flags(&mut self) -> &'static str {
        self.pick(&["0", "0", "0", "5", "4294967295", "16"])
    }

    fn delta(&mut self) -> &'static str {
        self.pick(&["0", "1", "1", "9", "10", "1000", LARGE])
    }

    fn noreply(&mut self) -> &'static str {
        if self.one_in(8) { " noreply" } else { "" }
    }

    /// A command of a valid form.
    fn command(&mut self) -> Vec<u8> {
        let key = self.key();
        let noreply = self.noreply();
        let line: Vec<u8> = match self.below(24) {
            0..9 => {
                let verb =
                    self.pick(&["set", "set", "set", "add", "replace", "append", "prepend", "cas"]);
                let value = self.value();
                let (flags, exptime, len) = (self.flags(), self.wide_exptime(), value.len());
                let unique = match verb {
                    "cas" => self.pick(&[" 0", " 1", " 18446744073709551615"]),
                    _ => "",
                };
                let head = format!(" {flags} {exptime} {len}{unique}{noreply}");
                let line = [verb.as_bytes(), b" ", &key, head.as_bytes()].concat();
                return [&line, self.line_end(), &value, b"\r\n"].concat();
            }
            9..14 => {
                let mut line = self.pick(&["get", "get", "gets"]).as_bytes().to_vec();
                self.put_keys(&mut line);
                line
            }
            14 => {
                let verb = self.pick(&["gat", "gats"]);
                let mut line = format!("{verb} {}", self.new_exptime()).into_bytes();
                self.put_keys(&mut line);
                line
            }
            15..17 if self.portable && key == b"noreply" => b"delete noreply noreply".to_vec(),
            15..17 => [b"delete ", &key[..], noreply.as_bytes()].concat(),
            17..21 => {
                let verb = self.pick(&["incr ", "decr "]);
                let delta = format!(" {}{noreply}", self.delta());
                [verb.as_bytes(), &key, delta.as_bytes()].concat()
            }
            21..23 => {
                let exptime = format!(" {}{noreply}", self.new_exptime());
                [b"touch ", &key[..], exptime.as_bytes()].concat()
            }
            _ => {
                let delay = self.pick(&["", "", " 0", " -1"]);
                format!("flush_all{delay}{noreply}").into_bytes()
            }
        };
        [&line, self.line_end()].concat()
    }

    fn put_keys(&mut self, line: &mut Vec<u8>) {
        let count = if self.one_in(20) { self.below(80) } else { self.below(4) } + 1;
        for _ in 0..count {
            line.push(b' ');
            line.extend_from_slice(&self.key());
            // Lines beyond this length may close the connection.
            if line.len() > 1_700 {
                return;
            }
        }
    }

    pub(crate) fn line_end(&mut self) -> &'static [u8] {
        match self.below(12) {
            0 => b"\n",
            1 => b" \r\n",
            _ => b"\r\n",
        }
    }

    /// A command that has no arguments to vary, or whose error is the same in all versions.
    fn fixed(&mut self) -> Vec<u8> {
        self.pick(&[
            &b"version\r\n"[..],
            b"verbosity 0\r\n",
            b"verbosity 1 noreply\r\n",
            b"cache_memlimit 1024\r\n",
            b"cache_memlimit 7 noreply\r\n",
            b"stats reset\r\n",
            b"stats detail off\r\n",
            b"bogus\r\n",
            b"incr a x\r\n",
            b"decr b 1x\r\n",
            b"incr a 18446744073709551616\r\n",
        ])
        .to_vec()
    }

    /// Values around the largest that fits; 59 bytes go to the header, or 63 with flags.
    fn large(&mut self) -> Vec<u8> {
        let key = self.key();
        let len = match self.below(4) {
            0 => 524_288 + self.below(8),
            1 => 1_048_576 + self.below(100),
            _ => (1 << 20) - 70 - key.len() + self.below(20),
        };
        let head = if !self.portable && self.one_in(2) {
            let mode = self.pick(&["", " MS", " ME", " MR", " MA", " MP", " Mx", " C1 I", " z"]);
            let flags = self.pick(&["", " F5", " q", " c k O1"]);
            [b"ms ", &key[..], format!(" {len}{mode}{flags}\r\n").as_bytes()].concat()
        } else {
            let verb = self.pick(&["set", "set", "add", "replace", "append", "prepend"]);
            let (flags, noreply) = (self.pick(&["0", "5"]), self.noreply());
            let words = format!(" {flags} 0 {len}{noreply}\r\n");
            [verb.as_bytes(), b" ", &key, words.as_bytes()].concat()
        };
        let end: &[u8] = match self.below(4) {
            0 if self.portable => b"xy",
            0 => b"xyz",
            _ => b"\r\n",
        };
        let large = [&head, &vec![b'1'; len][..], end].concat();
        if self.one_in(2) {
            return large;
        }
        // Over a small one, to see what is left of it.
        let small = [b"set ", &key[..], b" 0 0 1\r\n1\r\n"].concat();
        let (name, flags) = match self.below(6) {
            0 if !self.portable => ("ma ", " v\r\n"),
            1 if !self.portable => ("ma ", " C1 v\r\n"),
            2 if !self.portable => ("me ", "\r\n"),
            _ => ("get ", "\r\n"),
        };
        [&small, &large, name.as_bytes(), &key, flags.as_bytes()].concat()
    }

    fn closing(&mut self) -> Vec<u8> {
        match self.below(4) {
            0 => b"quit\r\n".to_vec(),
            1 => b"quit now\r\n".to_vec(),
            2 => b"POST / HTTP/1.1\r\n".to_vec(),
            _ => vec![b'x'; 20_000],
        }
    }

    /// A form of which most are invalid.
    fn odd(&mut self) -> Step {
        let long = "k".repeat(251 + self.below(3));
        let odd = match self.below(5) {
            0 if !self.portable => format!("set {long} 0 0 {}\r\nget a\r\n", self.below(9)),
            // What stands before it is marked as fetched, which the meta commands tell.
            1 if !self.portable => format!("get none {long} b\r\n"),
            2 => {
                let verbs = if self.portable { 3 } else { 4 };
                let verb = self.pick(&["incr", "touch", "decr", "delete"][..verbs]);
                format!("{verb} {long} 1\r\n")
            }
            3 if !self.portable => self.pick(ODD).into(),
            _ => self.pick(ALIKE).into(),
        };
        if odd.contains(&long) || odd.contains("HTTP/") {
            Step::Alone(odd.into())
        } else {
            Step::Send(odd.into())
        }
    }

    /// The command with one more space between two words.
    fn spaced(&mut self, mut command: Vec<u8>) -> Vec<u8> {
        let end = command.iter().position(|&byte| byte == b'\n').unwrap();
        let spaces: Vec<_> = (0..end).filter(|&at| command[at] == b' ').collect();
        if !spaces.is_empty() {
            command.insert(spaces[self.below(spaces.len())], b' ');
        }
        command
    }

    /// The command with something wrong with it, most likely.
    fn broken(&mut self, command: Vec<u8>) -> Vec<u8> {
        let end = command.iter().position(|&byte| byte == b'\n').unwrap();
        let (line, behind) = command.split_at(end);
        let mut words: Vec<Vec<u8>> =
            line.split(|&byte| byte == b' ').map(<[u8]>::to_vec).collect();
        let at = self.below(words.len());
        match self.below(8) {
            0 => drop(words.remove(at)),
            1 => words.insert(at, self.word()),
            2 => words[at] = self.word(),
            3 => words.insert(at, Vec::new()),
            4 => {
                // Bytes too many or too few behind the line.
                let behind = match self.below(3) {
                    0 => [behind, b"x\r\n"].concat(),
                    1 => behind[..behind.len() - behind.len().min(3)].to_vec(),
                    _ => [&behind[..1], b"y", &behind[1..]].concat(),
                };
                return [line, &behind].concat();
            }
            _ => {
                let at = self.below(line.len());
                let mut line = line.to_vec();
                line[at] =
                    *self.pick(&[&b' ', &b'\t', &0, &b'\r', &b'x', &b'-', &0x80, &b'\n', &b'+']);
                return [&line, behind].concat();
            }
        }
        [&words.join(&b' '), behind].concat()
    }

    fn word(&mut self) -> Vec<u8> {
        self.pick(&[
            "x",
            "-1",
            "1x",
            "0",
            "1",
            "007",
            "+1",
            "noreply",
            "18446744073709551616",
            "a",
            "b",
            "2147483647",
            "2147483648",
            "4294967297",
            "-18446744073709551615",
            "1\t2",
            "\u{b}3",
        ])
        .as_bytes()
        .to_vec()
    }
}
