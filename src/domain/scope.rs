//! Where a qualification counts: everywhere, in the area of an agreement, or in one division and all inside it.

use std::collections::{BTreeMap, BTreeSet};

use super::adcode::Adcode;

/// The area in which a recognition mark counts. The order is from the widest to the narrowest.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Scope {
    /// The whole country (全国HR).
    National,
    /// The area of an agreement between regions (京津冀HR), by its name in the policy.
    Agreement(String),
    /// One division and all inside it (贵州省HR).
    Region(Adcode),
}

/// An agreement between regions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Agreement {
    /// Chinese name, as it stands in the mark.
    pub name_zh: String,
    /// The divisions that signed it.
    pub regions: BTreeSet<Adcode>,
}

/// Areas by name, as the policy lists them.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Areas {
    /// Agreements by name.
    pub agreements: BTreeMap<String, Agreement>,
    /// Chinese names of divisions, for marks; a municipality's district with its city (`北京市西城区`).
    pub region_names: BTreeMap<Adcode, String>,
}

impl Areas {
    /// Says whether a mark of this scope counts in the region. An agreement that the policy does not list counts nowhere.
    pub fn covers(&self, scope: &Scope, region: Adcode) -> bool {
        match scope {
            Scope::National => true,
            Scope::Agreement(name) => self
                .agreements
                .get(name)
                .is_some_and(|agreement| agreement.regions.iter().any(|member| member.contains(region))),
            Scope::Region(outer) => outer.contains(region),
        }
    }

    /// Writes the mark as reports print it. Source: 国卫医发〔2022〕6号, 范围+HR.
    pub fn mark(&self, scope: &Scope) -> String {
        match scope {
            Scope::National => "全国HR".to_owned(),
            Scope::Agreement(name) => {
                format!("{}HR", self.agreements.get(name).map_or(name.as_str(), |agreement| &agreement.name_zh))
            }
            Scope::Region(region) => {
                self.region_names.get(region).map_or_else(|| format!("{region}HR"), |name| format!("{name}HR"))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn areas() -> Areas {
        let code = |text: &str| text.parse::<Adcode>().unwrap();
        Areas {
            agreements: BTreeMap::from([(
                "jjj".into(),
                Agreement { name_zh: "京津冀".into(), regions: ["110000", "120000", "130000"].map(code).into() },
            )]),
            region_names: BTreeMap::from([(code("520000"), "贵州省".into())]),
        }
    }

    #[test]
    fn a_scope_counts_exactly_inside_its_area() {
        let covers = |scope: Scope, region: &str| areas().covers(&scope, region.parse().unwrap());
        let region = |text: &str| Scope::Region(text.parse().unwrap());
        assert!(covers(Scope::National, "520103"));
        assert!(covers(Scope::Agreement("jjj".into()), "130102"));
        assert!(!covers(Scope::Agreement("jjj".into()), "370102"));
        assert!(!covers(Scope::Agreement("unlisted".into()), "130102"));
        assert!(covers(region("520000"), "520103"));
        assert!(covers(region("520100"), "520103"));
        assert!(!covers(region("520100"), "520201"));
        assert!(!covers(region("520103"), "520102"));
        assert!(!covers(region("520103"), "520100"), "a district's mark does not count in its whole city");
    }

    #[test]
    fn marks_are_written_as_reports_print_them() {
        assert_eq!(areas().mark(&Scope::National), "全国HR");
        assert_eq!(areas().mark(&Scope::Agreement("jjj".into())), "京津冀HR");
        assert_eq!(areas().mark(&Scope::Region("520000".parse().unwrap())), "贵州省HR");
    }
}
