//! The patients of the stories. Their names and numbers are canaries: none of them may be found anywhere afterwards.

/// A patient.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Patient {
    /// Family and given name, as PID-5 has them.
    pub name: String,
    /// Citizen number.
    pub number: String,
    /// `M` or `F`.
    pub sex: &'static str,
    /// Birth date, YYYY-MM-DD.
    pub birth_date: String,
}

/// A man whose name and number are among the canaries.
pub fn canary() -> Patient {
    patient("金丝雀^CANARY", "520102198504120011")
}

/// A woman whose name and number are among the canaries.
pub fn second_canary() -> Patient {
    patient("CANARY^金丝雀", "520113199109080025")
}

/// One of many patients, by a number up to 999.
pub fn numbered(place: u16) -> Patient {
    let digits = format!("52010119700101{place:03}");
    // GB 11643: the number is 1 modulo 11 where the character at place i from the right weighs 2^(i-1).
    let sum = digits.bytes().fold(0, |sum, digit| (sum * 2 + u32::from(digit - b'0')) % 11) * 2 % 11;
    let check = char::from(b"10X98765432"[usize::try_from(sum).unwrap()]);
    patient("金丝雀^CANARY", &format!("{digits}{check}"))
}

/// What may be found in no log, no error and no file of the hub.
pub fn canaries() -> Vec<String> {
    CANARIES.lines().map(str::to_owned).chain([PREFIX_OF_NUMBERED.to_owned()]).collect()
}

fn patient(name: &str, number: &str) -> Patient {
    let (year, month, day) = (&number[6..10], &number[10..12], &number[12..14]);
    let sex = if number.as_bytes()[16] % 2 == 1 { "M" } else { "F" };
    Patient { name: name.to_owned(), number: number.to_owned(), sex, birth_date: format!("{year}-{month}-{day}") }
}

const CANARIES: &str = include_str!("../fixtures/canaries.txt");
const PREFIX_OF_NUMBERED: &str = "52010119700101";
