//! Codes, identifiers and units as fields carry them. Must not translate a code or judge a unit.
//!
//! Source: HL7 v2.5.1, 2.A.9 (CE, CWE, CF), 2.A.14 (CX), 2.A.28 (EI).

use super::message::Part;

/// One code: what it is, what it is called, and in which system.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Code {
    /// The code itself.
    pub code: String,
    /// Its name in words.
    pub text: String,
    /// The coding system, as the sender names it (`LN`, `99MRC`, ..).
    pub system: String,
}

/// A coded value: the first triplet and, where given, its alternate. Any part may be empty.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Coded {
    /// Components 1 to 3.
    pub first: Code,
    /// Components 4 to 6.
    pub alternate: Option<Code>,
    /// Component 9, the text the code was chosen for.
    pub original: String,
}

impl Coded {
    /// Reads a coded field, its first repetition.
    pub fn of(part: Part<'_>) -> Self {
        let triplet = |from: usize| {
            let [code, text, system] = [from, from + 1, from + 2].map(|number| plain(part, number));
            Code { code, text, system }
        };
        let alternate = Some(triplet(4)).filter(|code| *code != Code::default());
        Self { first: triplet(1), alternate, original: plain(part, 9) }
    }

    /// Reads a coded field, or nothing where it is empty.
    pub fn of_filled(part: Part<'_>) -> Option<Self> {
        (!part.is_empty()).then(|| Self::of(part))
    }

    /// Says whether either triplet is this code of this system.
    pub fn names(&self, code: &str, system: &str) -> bool {
        std::iter::once(&self.first).chain(&self.alternate).any(|one| one.code == code && one.system == system)
    }
}

/// An identifier somebody assigned: of an order, an instrument, a specimen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EntityId {
    /// The identifier.
    pub value: String,
    /// Who assigned it, as named.
    pub namespace: String,
    /// Who assigned it, as an OID or other universal id.
    pub universal: String,
}

impl EntityId {
    /// Reads an EI field, or nothing where it has no identifier.
    pub fn of(part: Part<'_>) -> Option<Self> {
        let value = part.component(1).value()?;
        Some(Self { value, namespace: plain(part, 2), universal: plain(part, 3) })
    }
}

/// A unit of measure as sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unit {
    /// The unit to show and to compare.
    pub code: String,
    /// Its name in words.
    pub text: String,
    /// The system it belongs to, such as `UCUM`.
    pub system: String,
    /// Whether a caret the sender did not escape was put back (`10^9/L` arrives as the components `10` and `9/L`).
    pub is_repaired: bool,
}

impl Unit {
    /// Reads OBX-6, also with the unit in component 2 (`^ug/L`) and with an exponent torn off by an unescaped caret.
    pub fn of(part: Part<'_>) -> Option<Self> {
        let [code, text, system] = [1, 2, 3].map(|number| plain(part, number));
        if code.is_empty() {
            return (!text.is_empty()).then(|| Self { code: text, text: String::new(), system, is_repaired: false });
        }
        if is_exponent(&text) {
            let code = format!("{code}^{text}");
            return Some(Self { code, text: system, system: plain(part, 4), is_repaired: true });
        }
        Some(Self { code, text, system, is_repaired: false })
    }
}

/// Says whether the text can only be the tail of a power: one or two digits, then nothing or a further factor.
fn is_exponent(text: &str) -> bool {
    let unsigned = text.strip_prefix(['-', '+']).unwrap_or(text);
    let tail = unsigned.trim_start_matches(|c: char| c.is_ascii_digit());
    let digits = unsigned.len() - tail.len();
    matches!(digits, 1 | 2) && (tail.is_empty() || tail.starts_with(['/', '.', '*', '·', ' ', '(']))
}

/// Reads a component without blanks around it; empty where it is absent.
fn plain(part: Part<'_>, component: usize) -> String {
    part.component(component).value().unwrap_or_default()
}
