//! Tables as centres keep them, and every way to get a cell wrong.

use super::*;

const HEAD: &str = "programme,year,round,laboratory,item,method,samples,score_percent,status,sampled_on,published_on";
const GOOD: &str = "NCCL-C-01,2026,1,91350100M000100Y43,L01001,,5/4,,,2026-04-01,2026-05-04";

fn rounds(rows: &[&str]) -> Result<Vec<pb::EqaResult>, TableError> {
    match read(format!("{HEAD}\n{}\n", rows.join("\n")).as_bytes(), TableKind::Rounds, 480)?.content {
        pb::statement::Content::Rounds(rounds) => Ok(rounds.results),
        other => panic!("{other:?}"),
    }
}

fn wrong(error: TableError) -> Vec<(u64, String)> {
    match error {
        TableError::Cells(cells) => cells.into_iter().map(|cell| (cell.line, cell.column)).collect(),
        other => panic!("{other}"),
    }
}

#[test]
fn a_round_is_scored_from_its_samples() {
    let results = rounds(&[GOOD]).unwrap();
    let result = &results[0];
    assert_eq!((result.status(), result.score_percent.as_str()), (pb::EqaStatus::Scored, "80"));
    let sampled = result.sampled_at.as_ref().unwrap();
    assert_eq!((sampled.unix_ms, sampled.offset_minutes, sampled.date_only), (1_774_972_800_000, 480, true));
    for (samples, score, expected) in [
        ("1/1;1/1;1/0", "", "66.66"),
        ("25000/19999", "", "79.99"),
        ("5/5", "100", "100"),
        ("", "92.5%", "92.5"),
        ("5/4 | 5/5", "", "90"),
    ] {
        let row = GOOD.replace("5/4,", &format!("{samples},{score}")).replacen(",,,2026", ",,2026", 1);
        let row = if score.is_empty() { GOOD.replace("5/4", samples) } else { row };
        assert_eq!(rounds(&[&row]).unwrap()[0].score_percent, expected, "{row}");
    }
}

#[test]
fn a_status_stands_for_itself() {
    for (text, status) in [
        ("not_reported", pb::EqaStatus::NotReported),
        ("Not reported", pb::EqaStatus::NotReported),
        ("未回报", pb::EqaStatus::NotReported),
        ("免评", pb::EqaStatus::Excused),
        ("not-graded", pb::EqaStatus::NotGraded),
    ] {
        let row = GOOD.replace("5/4,,,", &format!(",,{text},"));
        let results = rounds(&[&row]).unwrap();
        assert_eq!((results[0].status(), results[0].score_percent.as_str()), (status, ""));
    }
}

#[test]
fn every_wrong_cell_of_every_row_is_named() {
    let cases = [
        ("NCCL-C-01,", ",", "programme"),
        (",2026,1,", ",1999,1,", "year"),
        (",2026,1,", ",2026,13,", "round"),
        (",2026,1,", ",2026,一,", "round"),
        ("Y43", "Y44", "laboratory"),
        ("91350100M000100Y43", "", "laboratory"),
        ("L01001", "K", "item"),
        ("5/4", "4/5", "samples"),
        ("5/4", "5", "samples"),
        ("5/4", "0/0", "samples"),
        ("5/4,,", "5/4,100,", "score_percent"),
        ("5/4,,", ",101,", "score_percent"),
        ("5/4,,", ",-1,", "score_percent"),
        ("5/4,,", ",0.925,", "score_percent"),
        ("5/4,,", "5/5,1,", "score_percent"),
        ("5/4,,,", ",,,", "status"),
        ("5/4,,,", "5/4,,excused,", "status"),
        ("5/4,,,", ",,scored,", "score_percent"),
        ("5/4,,,", ",,perhaps,", "status"),
        ("2026-04-01", "2026-02-30", "sampled_on"),
        ("2026-05-04", "2026-03-31", "published_on"),
        ("2026-05-04", "", "published_on"),
    ];
    let mut rows = vec![GOOD.to_owned()];
    rows.extend(cases.iter().map(|(from, to, _)| GOOD.replacen(from, to, 1)));
    let rows: Vec<&str> = rows.iter().map(String::as_str).collect();
    let expected: Vec<(u64, String)> = (3..).zip(cases.iter().map(|(_, _, column)| (*column).to_owned())).collect();
    assert_eq!(wrong(rounds(&rows).unwrap_err()), expected);

    let doubly = GOOD.replace("L01001", "K").replace("2026-05-04", "soon");
    assert_eq!(wrong(rounds(&[&doubly]).unwrap_err()), [(2, "item".into()), (2, "published_on".into())]);
    assert_eq!(wrong(rounds(&[GOOD, GOOD]).unwrap_err()), [(3, "row".into())]);
}

#[test]
fn a_chinese_excels_csv_is_read() {
    let table = "计划,年度,轮次,实验室,实验室名称,项目编码,方法,成绩,检测日期,发布日期\r\n\
                 NCCL-C-01,2026,1,91350100M000100Y43,某某医院,L01001,离子选择电极法,100,2026/4/1,2026年5月4日\r\n,,,,,,,,,\r\n";
    let (gbk, _, unmappable) = encoding_rs::GBK.encode(table);
    assert!(!unmappable);
    let with_mark = [b"\xef\xbb\xbf".as_slice(), table.as_bytes()].concat();
    for bytes in [gbk.as_ref(), table.as_bytes(), &with_mark, table.replace(',', "\t").as_bytes()] {
        let content = read(bytes, TableKind::Rounds, 480).unwrap().content;
        let pb::statement::Content::Rounds(rounds) = content else { panic!("no rounds") };
        assert_eq!(rounds.results.len(), 1);
        assert_eq!(rounds.results[0].method, "离子选择电极法");
        assert_eq!(rounds.results[0].published_at.as_ref().unwrap().unix_ms, 1_777_824_000_000);
    }
}

#[test]
fn a_workbook_is_read_with_its_dates_as_dates_and_its_numbers_as_text() {
    let workbook = include_bytes!("../../../tests/fixtures/eqa-rounds.xlsx");
    let table = read(workbook, TableKind::Rounds, 480).unwrap();
    let pb::statement::Content::Rounds(rounds) = table.content else { panic!("no rounds") };
    let said = rounds.results.iter().map(|round| {
        let days = [&round.sampled_at, &round.published_at].map(|at| at.as_ref().unwrap().unix_ms);
        (round.item.as_str(), round.year, round.score_percent.as_str(), days)
    });
    let days = [1_774_972_800_000, 1_777_824_000_000];
    let expected = [("L01001", 2026, "80", days), ("L01002", 2026, "92.5", days), ("L01003", 2026, "100", days)];
    assert_eq!((said.collect::<Vec<_>>(), table.lines), (expected.to_vec(), vec![2, 3, 4]));
}

#[test]
fn wrong_cells_of_a_workbook_are_named_by_its_rows_and_a_share_is_no_percentage() {
    let workbook = include_bytes!("../../../tests/fixtures/eqa-rounds-wrong.xlsx");
    let found = wrong(read(workbook, TableKind::Rounds, 480).unwrap_err());
    let cells = [(4, "laboratory"), (4, "samples"), (5, "score_percent")];
    let last = ["round", "item", "score_percent", "sampled_on", "published_on"].map(|column| (6, column));
    let expected = cells.into_iter().chain(last).map(|(line, column)| (line, column.to_owned()));
    assert_eq!(found, expected.collect::<Vec<_>>());
}

#[test]
fn lines_are_those_of_an_editor_also_in_a_windows_file_with_blank_lines() {
    let table = format!("{HEAD}\n\n{GOOD}\n{}\n", GOOD.replace("5/4", "4/5"));
    for table in [table.clone(), table.replace('\n', "\r\n")] {
        assert_eq!(wrong(read(table.as_bytes(), TableKind::Rounds, 480).unwrap_err()), [(4, "samples".into())]);
    }
}

#[test]
fn a_credential_holds_to_the_end_of_its_last_day() {
    let table = "laboratory,subject,valid_from,valid_to,basis\n91350100M000100Y43,CT,2026-01-01,2026-12-31,site 2026\n";
    let content = read(table.as_bytes(), TableKind::Credentials, 480).unwrap().content;
    let pb::statement::Content::Credentials(credentials) = content else { panic!("no credentials") };
    let credential = &credentials.credentials[0];
    let (from, to) = (credential.valid_from.as_ref().unwrap(), credential.valid_to.as_ref().unwrap());
    assert_eq!(to.unix_ms - from.unix_ms, 365 * 86_400_000 - 1);
    for (from, to, column) in
        [("CT", "ct", "subject"), ("2026-12-31", "2025-12-31", "valid_to"), ("site 2026", "", "basis")]
    {
        let error = read(table.replace(from, to).as_bytes(), TableKind::Credentials, 480).unwrap_err();
        assert_eq!(wrong(error), [(2, column.into())]);
    }
}

#[test]
fn what_is_no_table_is_refused_as_a_whole() {
    let refused = |bytes: &[u8]| read(bytes, TableKind::Rounds, 480).unwrap_err();
    let column = |table: &str| match refused(table.as_bytes()) {
        TableError::Header { column, problem } => (column, problem),
        other => panic!("{other}"),
    };
    assert_eq!(column(&HEAD.replace("item", "thing")), ("item", Problem::Missing));
    assert_eq!(column(&HEAD.replace("method", "项目")), ("item", Problem::Twice));
    assert_eq!(refused(HEAD.as_bytes()), TableError::Empty);
    assert_eq!(refused(b""), TableError::Empty);
    assert_eq!(refused(b"PK\x03\x04 but no workbook"), TableError::Form);
    assert_eq!(refused(b"\xff\xff\xff"), TableError::Form);
    let rows = vec![GOOD; 50_001].join("\n");
    let large = refused(format!("{HEAD}\n{rows}").as_bytes());
    assert!(matches!(large, TableError::TooLarge { what: "rows", .. }));
}
