//! Who takes part in the sample region. Every organisation and every person is invented: the codes are of places that do not
//! exist, their check characters are right, and the first citizen number is the sample of GB 11643-1999 itself.

/// A hospital of the demo.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Hospital {
    /// Name of its folder, and of its process.
    pub folder: &'static str,
    /// Unified social credit code.
    pub code: &'static str,
    /// Chinese name.
    pub name_zh: &'static str,
    /// English name.
    pub name_en: &'static str,
    /// Division it lies in.
    pub region: &'static str,
    /// AE title of its node.
    pub ae_title: &'static str,
}

/// Another organisation of the demo.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Office {
    /// Name of its folder.
    pub folder: &'static str,
    /// Unified social credit code.
    pub code: &'static str,
    /// Role, as certificates spell it.
    pub role: &'static str,
    /// Chinese name.
    pub name_zh: &'static str,
    /// English name.
    pub name_en: &'static str,
    /// Division it lies in.
    pub region: &'static str,
}

/// A patient of the demo.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Patient {
    /// Family and given name, clearly made up.
    pub name: (&'static str, &'static str),
    /// Citizen number.
    pub number: &'static str,
    /// `M` or `F`.
    pub sex: &'static str,
    /// Birth date, YYYY-MM-DD.
    pub birth_date: &'static str,
    /// What happens to the patient in the story.
    pub part: &'static str,
}

/// Code of the demo's region: Guizhou.
pub const REGION: &str = "520000";

/// Qualified nationally.
pub const GUIYANG: Hospital = Hospital {
    folder: "node-guiyang",
    code: "12520103DEMXX0014E",
    name_zh: "示例贵阳医院",
    name_en: "Sample Hospital of Guiyang",
    region: "520103",
    ae_title: "GUIYANG",
};

/// Qualified in its city alone.
pub const ZUNYI: Hospital = Hospital {
    folder: "node-zunyi",
    code: "12520300DEMXX00228",
    name_zh: "示例遵义医院",
    name_en: "Sample Hospital of Zunyi",
    region: "520300",
    ae_title: "ZUNYI",
};

/// Suspended.
pub const HONGHUA: Hospital = Hospital {
    folder: "node-honghua",
    code: "12520300DEMXX00303",
    name_zh: "示例红花医院",
    name_en: "Sample Hospital of Honghua",
    region: "520300",
    ae_title: "HONGHUA",
};

/// All hospitals.
pub const HOSPITALS: [Hospital; 3] = [GUIYANG, ZUNYI, HONGHUA];

/// Whoever runs the hub.
pub const OPERATOR: Office = Office {
    folder: "hub",
    code: "12520000DEMXX3012D",
    role: "operator",
    name_zh: "示例检查检验互认平台",
    name_en: "Sample Exchange",
    region: "520000",
};

/// The QC centre whose word counts nationally.
pub const NATIONAL_CENTRE: Office = Office {
    folder: "qc-national",
    code: "12100000DEMXX1017B",
    role: "qc-centre",
    name_zh: "示例国家级临床检验中心",
    name_en: "Sample National QC Centre",
    region: "110000",
};

/// The QC centre of the province.
pub const PROVINCIAL_CENTRE: Office = Office {
    folder: "qc-province",
    code: "12520000DEMXX10259",
    role: "qc-centre",
    name_zh: "示例省级质控中心",
    name_en: "Sample Provincial QC Centre",
    region: "520000",
};

/// The QC centre of one city.
pub const CITY_CENTRE: Office = Office {
    folder: "qc-zunyi",
    code: "12520300DEMXX1033K",
    role: "qc-centre",
    name_zh: "示例遵义市质控中心",
    name_en: "Sample QC Centre of Zunyi",
    region: "520300",
};

/// The health authority.
pub const REGULATOR: Office = Office {
    folder: "regulator",
    code: "11520000DEMXX201XW",
    role: "regulator",
    name_zh: "示例卫生健康委员会",
    name_en: "Sample Health Commission",
    region: "520000",
};

/// A hospital whose certificates are no longer good.
pub const FORMER_HOSPITAL: Office = Office {
    folder: "former",
    code: "12520103DEMXX4015E",
    role: "hospital",
    name_zh: "示例停业医院",
    name_en: "Sample Former Hospital",
    region: "520103",
};

/// The patients' entrance, and whoever says who a patient is.
pub const GATEWAY: Office = Office {
    folder: "patient-gateway",
    code: "12520000DEMXX5011Q",
    role: "patient-gateway",
    name_zh: "示例居民健康服务平台",
    name_en: "Sample Patient Gateway",
    region: "520000",
};

/// All organisations but the hospitals.
pub const OFFICES: [Office; 7] =
    [OPERATOR, NATIONAL_CENTRE, PROVINCIAL_CENTRE, CITY_CENTRE, REGULATOR, GATEWAY, FORMER_HOSPITAL];

/// Has a recent electrolyte result from Guiyang.
pub const FRESH: Patient = Patient {
    name: ("样例", "甲"),
    number: "11010519491231002X",
    sex: "F",
    birth_date: "1949-12-31",
    part: "recent result",
};

/// Has an electrolyte result from Guiyang that is too old.
pub const STALE: Patient = Patient {
    name: ("样例", "乙"),
    number: "529900198001010012",
    sex: "M",
    birth_date: "1980-01-01",
    part: "expired result",
};

/// Has a result from the suspended laboratory.
pub const DOUBTED: Patient = Patient {
    name: ("样例", "丙"),
    number: "529900197506200028",
    sex: "F",
    birth_date: "1975-06-20",
    part: "unqualified laboratory",
};

/// Has a result from the laboratory that counts in its city alone.
pub const LOCAL: Patient = Patient {
    name: ("样例", "丁"),
    number: "52990019900315003X",
    sex: "M",
    birth_date: "1990-03-15",
    part: "mark of one city",
};

/// Has a CT of the chest from Guiyang.
pub const SCANNED: Patient =
    Patient { name: ("样例", "戊"), number: "529900196208080043", sex: "F", birth_date: "1962-08-08", part: "CT" };

/// Takes no part in the story; for whoever wants a patient without results.
pub const SPARE: Patient =
    Patient { name: ("样例", "己"), number: "529900200111110057", sex: "M", birth_date: "2001-11-11", part: "none" };

/// A child for whom the first patient acts.
pub const CHILD: Patient =
    Patient {
        name: ("样例", "庚"), number: "529900201906010062", sex: "F", birth_date: "2019-06-01", part: "child"
    };

/// Has a result from Guiyang that is corrected after a doctor relied on it.
pub const MISREAD: Patient = Patient {
    name: ("样例", "辛"),
    number: "52990019880404008X",
    sex: "F",
    birth_date: "1988-04-04",
    part: "corrected result",
};

/// All patients.
pub const PATIENTS: [Patient; 8] = [FRESH, STALE, DOUBTED, LOCAL, SCANNED, SPARE, CHILD, MISREAD];

#[cfg(test)]
mod tests {
    use crate::domain::identifier::CitizenNumber;
    use crate::domain::organisation::OrganisationCode;

    use super::*;
    use crate::wire::pb;
    use crate::wire::person::person;

    #[test]
    fn every_code_checks_and_every_number_agrees_with_its_patient() {
        let codes = HOSPITALS.iter().map(|it| it.code).chain(OFFICES.iter().map(|it| it.code));
        for code in codes {
            assert!(code.parse::<OrganisationCode>().is_ok(), "{code}");
        }
        for patient in PATIENTS {
            let number: CitizenNumber = patient.number.parse().unwrap();
            let known = person(&[], pb::Sex::Unspecified, patient.birth_date).unwrap();
            assert_eq!(known.birth_date, Some(number.birth_date()));
        }
    }
}
