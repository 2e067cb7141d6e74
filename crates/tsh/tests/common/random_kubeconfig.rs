//! Kubeconfigs as no one person writes them, but somebody does; the same seed gives the same file.

struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) % sides
    }

    fn pick<'a>(&mut self, from: &[&'a str]) -> &'a str {
        from[self.roll(from.len() as u64) as usize]
    }
}

const SCALARS: &[&str] = &[
    "yes",
    "'yes'",
    "\"0755\"",
    "0755",
    "1e3",
    "'1e3'",
    "null",
    "'null'",
    "~",
    "true",
    "\"\"",
    "''",
    "a b",
    "a: 'b # c'",
    "2025-11-24",
    "'it''s'",
    "\"a\\nb\"",
    "https://h:6443",
    "[a, b]",
    "{a: b}",
    "{}",
    "-1.5",
    "x#y",
    "1_000",
    "'- x'",
];

/// Makes a file in block style with comments, blank lines, unknown fields and odd values.
pub fn generate(seed: u64) -> String {
    let mut dice = Dice(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
    let mut text = String::new();
    if dice.roll(3) == 0 {
        text.push_str("# a file of mine\n\n");
    }
    if dice.roll(6) == 0 {
        text.push_str("---\n");
    }
    let mut keys =
        vec!["apiVersion", "clusters", "contexts", "current-context", "kind", "preferences", "users", "x-mine"];
    while !keys.is_empty() {
        let key = keys.remove(dice.roll(keys.len() as u64) as usize);
        noise(&mut dice, &mut text, 0);
        match key {
            "apiVersion" => text.push_str("apiVersion: v1\n"),
            "kind" => text.push_str("kind: Config\n"),
            "current-context" => {
                let value = dice.pick(&["mine0", "\"mine0\"", "mine0 # the one", "'mine0'", "\"\""]);
                text.push_str(&format!("current-context: {value}\n"));
            }
            "preferences" => text.push_str("preferences: {colors: yes}\n"),
            "x-mine" => text.push_str(&format!("x-mine: {}\n", dice.pick(SCALARS).trim_start_matches("a: "))),
            list => section(&mut dice, &mut text, list),
        }
    }
    text
}

fn section(dice: &mut Dice, text: &mut String, key: &str) {
    let body = key.trim_end_matches('s');
    let indent = " ".repeat(dice.roll(3) as usize * 2);
    let least = u64::from(key == "contexts");
    let count = dice.roll(4) + least;
    if count == 0 {
        text.push_str(&format!("{key}: []\n"));
        return;
    }
    text.push_str(&format!("{key}:{}\n", dice.pick(&["", " # some"])));
    for n in 0..count {
        noise(dice, text, indent.len());
        let dash = dice.pick(&["- ", "-   "]);
        let inner = format!("{indent}{}", " ".repeat(dash.len()));
        if dice.roll(2) == 0 {
            text.push_str(&format!("{indent}{dash}name: mine{n}\n{inner}{body}:\n"));
        } else {
            text.push_str(&format!("{indent}{dash}{body}:\n"));
        }
        let named = text.ends_with(&format!("name: mine{n}\n{inner}{body}:\n"));
        for field in 0..=dice.roll(4) {
            noise(dice, text, inner.len() + 2);
            let value = dice.pick(SCALARS).trim_start_matches("a: ");
            text.push_str(&format!("{inner}  field{field}: {value}\n"));
        }
        if dice.roll(4) == 0 {
            text.push_str(&format!("{inner}  text: |\n{inner}    # not a comment\n\n{inner}    - not an entry\n"));
        }
        if !named {
            text.push_str(&format!("{inner}name: mine{n}\n"));
        }
    }
}

fn noise(dice: &mut Dice, text: &mut String, indent: usize) {
    match dice.roll(8) {
        0 => text.push('\n'),
        1 => text.push_str(&format!("{:indent$}# note: - {}\n", "", dice.roll(100))),
        _ => {}
    }
}
