//! Meta commands with flags of all kinds, most of them valid.

use super::generator::{Generator, LARGE, Step, UNIQUE};

/// Keys that only base64 can name. None holds an LF: some answers give the bytes back as they are, and
/// the mask would take what is behind it for another line.
const BINARY_KEYS: &[&[u8]] = &[b"a b", b"\0", b"\0 \xff", b"\r", b" "];
/// How long items are to live: far from what `R` and the test's own time compare them with.
const EXPTIMES: &[&str] =
    &["0", "0", "100", "100", "1000", "-1", "2592000", "2592001", "2147483647", "4294967396"];
const RECACHE: &[&str] = &["0", "50", "500", "2000", "-1", "2592001", "4294967295"];
/// Flags that most commands refuse, or that are there already.
const ODD: &[&str] = &[
    "z",
    "S",
    "S5",
    "k",
    "v",
    "O1",
    "O",
    "T",
    "Tx",
    "N",
    "Nx",
    "C",
    "Cx",
    "C-1",
    "F",
    "Fx",
    "F-1",
    "M",
    "MSS",
    "Mx",
    "Ms",
    "ME",
    "MI",
    "D",
    "Dx",
    "D-1",
    "J",
    "Jx",
    "b",
    "x",
    "E5",
    "!",
    "R",
    "Rx",
    "q",
    "O12345678901234567890123456789012",
    "-",
    "\u{e9}",
    "I",
    "I5",
    "u",
    "s",
    "t",
    "h",
    "l",
    "f",
    "c",
    "P",
    "L",
    "1",
    "T+500",
    "T500x",
    "N\t700",
    "kx",
    "vx",
    "cx",
    "qx",
    "bx",
    "ux",
];
/// Lines without a choice of flags.
const FIXED: &[&str] = &[
    "mn\r\n",
    "mn\r\n",
    "mn x\r\n",
    "me a\r\n",
    "me b\r\n",
    "me YQ== b\r\n",
    "me\r\n",
    "mg\r\n",
    "md\r\n",
    "ma\r\n",
    "ms\r\n",
    "ms a\r\n",
    "ms a x\r\n",
    "mg YQ b v\r\n",
    "mg ! b\r\n",
    "mg a b c d e f g h i j k l m n o p q r\r\n",
    "ma a b c d e f g h i j k l m n o p q r\r\n",
    "me a x\r\n",
    "me c b\r\n",
    "me a q b\r\n",
    "me a b b b\r\n",
    "me YWI b\r\n",
    "mg YQ==YQ== b v k\r\n",
    "md YQ=a b\r\n",
    "ma YQ== b b\r\n",
    "ms YQ 2 b\r\nab\r\n",
    "ms a -1 k\r\n",
    "ms a 2147483646\r\n",
    "ms a 2147483647 q\r\n",
    "ms a +1 T0\r\n1\r\n",
    "ms a 01\r\n1\r\n",
    "ms a 1x\r\n",
    "ms a 4294967297\r\n1\r\n",
    "ms a 2 q\r\nab\nversion\r\n",
    "ms a 1 z\r\nabc\r\n",
    "ms a S1\r\n",
    "mg a\0 v\r\n",
    "mg a v\0 k\r\n",
    "mg a v\tk\r\n",
    "MG a v\r\n",
    "  mg  a   v \r\n",
    "mga\r\n",
    "ms c 1 T0 F0 I q k c O1 P1 L1 MS v t s f h l\r\nx\r\n",
    "ms c 3 T0 F0 I q k c O1 P1 L1 MS v t s f h l u\r\nmn \r\n",
];

impl Generator {
    /// A meta command.
    pub(crate) fn meta(&mut self) -> Step {
        match self.below(24) {
            0 | 1 => return Step::Send(self.pick(FIXED).into()),
            2 => return Step::Alone(self.long_key()),
            _ => {}
        }
        let name = self.pick(&["mg", "mg", "mg", "ms", "ms", "ms", "md", "ma", "ma"]);
        let (key, is_base64) = self.meta_key();
        let mut flags = self.meta_flags(name);
        if is_base64 {
            let at = self.below(flags.len() + 1);
            flags.insert(at, "b".into());
        }
        if self.one_in(10) {
            let odd = self.pick(ODD);
            let at = self.below(flags.len() + 1);
            flags.insert(at, odd.into());
        }
        let value = (name == "ms").then(|| self.value());
        let mut command = [name.as_bytes(), b" ", &key].concat();
        if let Some(value) = &value {
            command.extend_from_slice(format!(" {}", value.len()).as_bytes());
        }
        for flag in &flags {
            command.extend_from_slice(if self.one_in(30) { b"  " } else { b" " });
            command.extend_from_slice(flag.as_bytes());
        }
        command.extend_from_slice(self.line_end());
        if let Some(value) = value {
            command.extend_from_slice(&[&value, &b"\r\n"[..]].concat());
        }
        if command.windows(UNIQUE.len()).any(|window| window == UNIQUE) {
            let flags: &[u8] = if is_base64 { b" b u c\r\n" } else { b" u c\r\n" };
            return Step::Unique { asking: [b"mg ", &key[..], flags].concat(), command };
        }
        Step::Send(command)
    }

    /// A key, and whether it is in base64. The same keys come both ways.
    fn meta_key(&mut self) -> (Vec<u8>, bool) {
        if !self.one_in(3) {
            return (self.key(), false);
        }
        let key = if self.one_in(3) { self.pick(BINARY_KEYS).to_vec() } else { self.key() };
        let key = if key.len() > 186 { vec![b'k'; 186] } else { key };
        (base64(&key), true)
    }

    /// A command with a key that is too long, most likely.
    fn long_key(&mut self) -> Vec<u8> {
        let name = self.pick(&["mg", "ms", "md", "ma", "me"]);
        let base64_len = base64(&vec![1; 185 + self.below(4)]).len();
        let (len, flag) =
            if self.one_in(2) { (base64_len, " b") } else { (249 + self.below(4), "") };
        let key = if flag.is_empty() { "k".repeat(len) } else { "AQEB".repeat(len / 4) };
        let (value_len, value) = if name == "ms" { (" 9", "get a\r\nmn\r\n") } else { ("", "") };
        format!("{name} {key}{value_len}{flag}\r\n{value}").into_bytes()
    }

    /// Some of the flags that a command knows, each once, in any order.
    fn meta_flags(&mut self, name: &str) -> Vec<String> {
        let known: &[&str] = match name {
            "mg" => &[
                "v", "v", "f", "c", "s", "t", "h", "l", "k", "q", "u", "O", "N", "R", "T", "C",
                "P", "L",
            ],
            "ms" => &["c", "k", "q", "O", "F", "T", "C", "I", "M", "s", "N", "P", "L"],
            "md" => &["k", "q", "O", "C", "I", "T", "P", "L"],
            _ => &["v", "v", "c", "t", "k", "q", "O", "N", "J", "D", "T", "M", "C", "P", "L"],
        };
        let mut flags: Vec<String> = Vec::new();
        for _ in 0..self.below(7) {
            let letter = self.pick(known);
            if flags.iter().any(|flag| flag.starts_with(letter)) {
                continue;
            }
            let token = match letter {
                "O" | "P" | "L" => {
                    self.pick(&["1", "abc", "1234567890123456789012345678901", "~", ""])
                }
                "N" | "T" => self.pick(EXPTIMES),
                "R" => self.pick(RECACHE),
                "F" => self.pick(&["0", "5", "16", "4294967295", "4294967301"]),
                // A digit behind it makes one that is above any.
                "C" => self.pick(&[
                    "{unique}",
                    "{unique}",
                    "{unique}0",
                    "0",
                    "1",
                    "18446744073709551615",
                ]),
                "M" if name == "ms" => self.pick(&["S", "E", "A", "P", "R"]),
                "M" => self.pick(&["I", "D", "+", "-"]),
                "J" | "D" => self.pick(&["0", "1", "13", LARGE]),
                _ => "",
            };
            flags.push(format!("{letter}{token}"));
        }
        flags
    }
}

fn base64(bytes: &[u8]) -> Vec<u8> {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let encode = |three: &[u8]| {
        let bits = [0, 1, 2].map(|at| usize::from(three.get(at).copied().unwrap_or(0)));
        let bits = bits[0] << 16 | bits[1] << 8 | bits[2];
        let digit = |at: usize| DIGITS[bits >> (18 - 6 * at) & 63];
        [0, 1, 2, 3].map(|at| if at <= three.len() { digit(at) } else { b'=' })
    };
    bytes.chunks(3).flat_map(encode).collect()
}
