//! People who do not exist, with citizen numbers that check; for the nodes, which want identifiers.

/// A made-up person.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Person {
    /// Citizen number.
    pub number: String,
    /// Birth date, YYYYMMDD.
    pub birth_date: String,
    /// `M` or `F`.
    pub sex: &'static str,
}

/// Makes the person of a number, below ten million; each number gives another one.
pub fn person(number: u64) -> Person {
    let (day, month, year) = (number % 28 + 1, number / 28 % 12 + 1, number / 336 % 60 + 1_940);
    let order = number / (336 * 60) % 500 * 2;
    let sex = number / (336 * 60 * 500) % 2;
    let birth_date = format!("{year}{month:02}{day:02}");
    let stem = format!("520103{birth_date}{:03}", order + sex);
    let weighed = stem.bytes().zip(WEIGHTS).map(|(digit, weight)| u64::from(digit - b'0') * weight);
    let check = CHECKS.as_bytes()[(weighed.sum::<u64>() % 11) as usize];
    Person { number: format!("{stem}{}", char::from(check)), birth_date, sex: if sex == 1 { "M" } else { "F" } }
}

/// Source: GB 11643-1999, ISO 7064 MOD 11-2.
const WEIGHTS: [u64; 17] = [7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2];
const CHECKS: &str = "10X98765432";

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::domain::identifier::CitizenNumber;

    #[test]
    fn every_number_checks_and_is_another() {
        let people: Vec<Person> = (0..50_000).map(person).collect();
        assert!(people.iter().all(|person| person.number.parse::<CitizenNumber>().is_ok()));
        assert_eq!(people.iter().map(|person| &person.number).collect::<BTreeSet<_>>().len(), people.len());
    }
}
