//! What the patients' pages say, in Chinese and English.

use crate::doors::http::pages::texts::Text;
use crate::wire::pb::{ConsentPurpose, Language, ResultClass};

/// Says what a consent is given for.
pub fn purpose(purpose: ConsentPurpose) -> Text {
    match purpose {
        ConsentPurpose::Treatment | ConsentPurpose::Unspecified => Text::new("诊疗", "Treatment"),
        ConsentPurpose::SecondOpinion => Text::new("第二诊疗意见", "Second opinion"),
        ConsentPurpose::Insurance => Text::new("保险", "Insurance"),
        ConsentPurpose::Employment => Text::new("入职体检", "Employment"),
        ConsentPurpose::Personal => Text::new("个人使用", "My own use"),
    }
}

/// Says what kind of results a consent opens.
pub fn class(class: ResultClass) -> Text {
    match class {
        ResultClass::Laboratory => ALL_LABORATORY,
        ResultClass::Imaging => ALL_IMAGING,
        ResultClass::Unspecified => EVERYTHING,
    }
}

/// Counts things.
pub fn count(count: usize, things: Text, language: Language) -> String {
    format!("{count} {}", things.to(language))
}

/// "My results"
pub const TITLE: Text = Text::new("我的检查检验", "My results");
/// "Parts"
pub const PARTS: Text = Text::new("栏目", "Parts");
/// "Results"
pub const RESULTS: Text = Text::new("结果", "Results");
/// "Result"
pub const RESULT: Text = Text::new("检查检验结果", "Result");
/// "Sharing"
pub const SHARES: Text = Text::new("授权", "Sharing");
/// "A share"
pub const SHARE_ONE: Text = Text::new("授权详情", "A share");
/// "Who looked"
pub const ACCESSES: Text = Text::new("谁看过", "Who looked");
/// "Settings"
pub const SETTINGS: Text = Text::new("设置", "Settings");
/// "Log out"
pub const LOG_OUT: Text = Text::new("退出登录", "Log out");
/// "Log in"
pub const LOG_IN: Text = Text::new("登录", "Log in");
/// "Logging in needs proof that it is you, by face or card. A name and a number alon"
pub const LOG_IN_HOW: Text = Text::new(
    "登录须经实人核验（刷脸、社保卡等）；仅凭姓名和证件号不能查看。",
    "Logging in needs proof that it is you, by face or card. A name and a number alone open nothing.",
);
/// "Your results from every hospital, in your hands"
pub const WELCOME: Text =
    Text::new("您在各家医院的检查检验结果，由您掌握", "Your results from every hospital, in your hands");
/// "See results, how they went, and the original reports"
pub const POINT_RESULTS: Text =
    Text::new("查看各医院的结果、趋势和原始报告", "See results, how they went, and the original reports");
/// "Share with a doctor by a QR code, and take it back at any time"
pub const POINT_SHARE: Text =
    Text::new("用二维码授权给医生或家人，随时撤销", "Share with a doctor by a QR code, and take it back at any time");
/// "See who looked at them, when and why"
pub const POINT_WATCH: Text = Text::new("看到谁、何时、为何看过您的结果", "See who looked at them, when and why");
/// "You are acting for a child"
pub const ACTING: Text = Text::new("您正在代孩子操作", "You are acting for a child");
/// "Back to myself"
pub const ACT_FOR_MYSELF: Text = Text::new("回到本人", "Back to myself");
/// "Not found"
pub const GONE: Text = Text::new("没有找到", "Not found");
/// "It may have ended, or is not yours. Go back to the list."
pub const GONE_ADVICE: Text =
    Text::new("它可能已失效或不属于您。请返回列表。", "It may have ended, or is not yours. Go back to the list.");
/// "It cannot be had at the moment"
pub const AWAY: Text = Text::new("暂时无法取得", "It cannot be had at the moment");
/// "The hospital that keeps it, or the login service, cannot be reached. Nothing is "
pub const AWAY_ADVICE: Text = Text::new(
    "保存原件的医院或登录平台暂不可达，您的数据没有丢失。请稍后再试。",
    "The hospital that keeps it, or the login service, cannot be reached. Nothing is lost; try again in a while.",
);
/// "The server failed"
pub const BROKEN: Text = Text::new("系统故障", "The server failed");
/// "The reason has been noted. Try again later."
pub const BROKEN_ADVICE: Text = Text::new("原因已记录，请稍后再试。", "The reason has been noted. Try again later.");
/// "A stronger login is needed"
pub const TOO_WEAK: Text = Text::new("需要更可靠的登录", "A stronger login is needed");
/// "A name and a number alone do not prove that it is you. Go back and log in by fac"
pub const TOO_WEAK_ADVICE: Text = Text::new(
    "仅凭姓名和证件号不足以证明是您本人。请返回，用刷脸或社保卡重新登录。",
    "A name and a number alone do not prove that it is you. Go back and log in by face or card.",
);
/// "You could not be recognised"
pub const NOBODY: Text = Text::new("无法确认您的身份", "You could not be recognised");
/// "What the login says does not agree with the hospitals' records. Have your record"
pub const NOBODY_ADVICE: Text = Text::new(
    "登录信息与本地区医院的登记不一致。请携带证件到任一医院核对个人信息。",
    "What the login says does not agree with the hospitals' records. Have your record checked at any hospital.",
);
/// "The login was not completed"
pub const NOT_LOGGED_IN: Text = Text::new("登录未完成", "The login was not completed");
/// "Go back to the first page and log in again."
pub const NOT_LOGGED_IN_ADVICE: Text = Text::new("请返回首页重新登录。", "Go back to the first page and log in again.");
/// "Open the report"
pub const OPEN_REPORT: Text = Text::new("查看报告", "Open the report");
/// "Open the images"
pub const OPEN_IMAGES: Text = Text::new("查看影像", "Open the images");
/// "To my results"
pub const HOME: Text = Text::new("返回我的结果", "To my results");
/// "Log in again"
pub const AGAIN: Text = Text::new("重新登录", "Log in again");
/// "All"
pub const ALL: Text = Text::new("全部", "All");
/// "Laboratory"
pub const LABORATORY: Text = Text::new("检验", "Laboratory");
/// "Imaging"
pub const IMAGING: Text = Text::new("检查", "Imaging");
/// "Share"
pub const SHARE: Text = Text::new("授权给他人", "Share");
/// "Share results"
pub const SHARE_NEW: Text = Text::new("新建授权", "Share results");
/// "Share this result"
pub const SHARE_THIS: Text = Text::new("授权这项结果", "Share this result");
/// "No results yet. They appear here when a hospital publishes them."
pub const NO_RESULTS: Text = Text::new(
    "还没有结果。医院发布后会出现在这里。",
    "No results yet. They appear here when a hospital publishes them.",
);
/// "Older"
pub const OLDER: Text = Text::new("更早的", "Older");
/// "preliminary"
pub const PRELIMINARY: Text = Text::new("初步", "preliminary");
/// "corrected"
pub const CORRECTED: Text = Text::new("已更正", "corrected");
/// "withdrawn"
pub const WITHDRAWN: Text = Text::new("已撤回", "withdrawn");
/// "Reference range"
pub const REFERENCE: Text = Text::new("参考范围", "Reference range");
/// "Hospital"
pub const HOSPITAL: Text = Text::new("医院", "Hospital");
/// "Collected"
pub const COLLECTED: Text = Text::new("采集/检查时间", "Collected");
/// "Reported"
pub const REPORTED: Text = Text::new("报告时间", "Reported");
/// "Method"
pub const METHOD: Text = Text::new("方法", "Method");
/// "As the laboratory wrote it"
pub const AS_SENT: Text = Text::new("医院原始数值", "As the laboratory wrote it");
/// "Over time"
pub const TREND: Text = Text::new("历次结果", "Over time");
/// "Originals"
pub const ORIGINALS: Text = Text::new("原始报告", "Originals");
/// "The hospital keeps the originals; what you download is checked against its signa"
pub const ORIGINALS_HOW: Text = Text::new(
    "原件由出具医院保存，下载时逐字节核对签名。",
    "The hospital keeps the originals; what you download is checked against its signature.",
);
/// "You have shared nothing yet."
pub const NO_SHARES: Text = Text::new("您还没有授权任何人。", "You have shared nothing yet.");
/// "Shares that have ended"
pub const PAST_SHARES: Text = Text::new("已结束的授权", "Shares that have ended");
/// "Let them scan this"
pub const LINK_READY: Text = Text::new("请对方扫码", "Let them scan this");
/// "They scan it with an app that reads SMART Health Links, or use the text below. W"
pub const LINK_HOW: Text = Text::new(
    "对方用支持 SMART 健康链接的软件扫码，或打开下面的链接文字。谁拿到它，谁就能看，请当面出示。",
    "They scan it with an app that reads SMART Health Links, or use the text below. Whoever has it can look: show it in person.",
);
/// "It also needs the passcode. Say it in person; never send it along with the link."
pub const PASSCODE_HOW: Text = Text::new(
    "还需口令才能打开。请当面告诉对方，不要与链接一起发送。",
    "It also needs the passcode. Say it in person; never send it along with the link.",
);
/// "Text of the link"
pub const LINK: Text = Text::new("链接文字", "Text of the link");
/// "Copy the link"
pub const COPY: Text = Text::new("复制链接", "Copy the link");
/// "Copied"
pub const COPIED: Text = Text::new("已复制", "Copied");
/// "Until"
pub const UNTIL: Text = Text::new("有效至", "Until");
/// "Purpose"
pub const FOR_WHAT: Text = Text::new("用途", "Purpose");
/// "Times used"
pub const USED: Text = Text::new("已使用次数", "Times used");
/// "Show the QR code"
pub const SHOW_LINK: Text = Text::new("显示二维码", "Show the QR code");
/// "Revoke now"
pub const REVOKE: Text = Text::new("立即撤销", "Revoke now");
/// "Whoever has the link"
pub const BY_LINK: Text = Text::new("持有链接的人", "Whoever has the link");
/// "Everything"
pub const EVERYTHING: Text = Text::new("全部结果", "Everything");
/// "All laboratory results"
pub const ALL_LABORATORY: Text = Text::new("全部检验结果", "All laboratory results");
/// "All imaging"
pub const ALL_IMAGING: Text = Text::new("全部检查影像", "All imaging");
/// "Only this result"
pub const THIS_RESULT: Text = Text::new("只这一项结果", "Only this result");
/// ", sensitive ones too"
pub const WITH_SENSITIVE: Text = Text::new("，含敏感项目", ", sensitive ones too");
/// ", without sensitive ones"
pub const WITHOUT_SENSITIVE: Text = Text::new("，不含敏感项目", ", without sensitive ones");
/// "active"
pub const ACTIVE: Text = Text::new("有效", "active");
/// "not yet"
pub const PENDING: Text = Text::new("未开始", "not yet");
/// "asleep: you opted out"
pub const SUSPENDED: Text = Text::new("已停用（退出共享）", "asleep: you opted out");
/// "expired"
pub const EXPIRED: Text = Text::new("已过期", "expired");
/// "revoked"
pub const REVOKED: Text = Text::new("已撤销", "revoked");
/// "used up"
pub const USED_UP: Text = Text::new("次数已用完", "used up");
/// "locked: wrong passcodes"
pub const LOCKED: Text = Text::new("口令错误过多，已锁定", "locked: wrong passcodes");
/// "What to share"
pub const STEP_WHAT: Text = Text::new("授权什么", "What to share");
/// "With whom"
pub const STEP_WHOM: Text = Text::new("授权给谁", "With whom");
/// "How long, and what for"
pub const STEP_HOW: Text = Text::new("多久，做什么用", "How long, and what for");
/// "Sensitive ones too"
pub const SENSITIVE: Text = Text::new("包含敏感项目", "Sensitive ones too");
/// "HIV, syphilis, pregnancy, genetics, psychiatry; left out unless ticked"
pub const SENSITIVE_HOW: Text = Text::new(
    "如艾滋病、梅毒、妊娠、遗传、精神类；不勾选则不会给出",
    "HIV, syphilis, pregnancy, genetics, psychiatry; left out unless ticked",
);
/// "By QR code or link"
pub const WITH_LINK: Text = Text::new("用二维码或链接", "By QR code or link");
/// "Shown in person to a doctor, family or another hospital"
pub const WITH_LINK_HOW: Text =
    Text::new("当面出示给医生、家人或其他医院", "Shown in person to a doctor, family or another hospital");
/// "Passcode (6 to 64 characters, may be left empty)"
pub const PASSCODE: Text =
    Text::new("口令（6 至 64 个字符，可不填）", "Passcode (6 to 64 characters, may be left empty)");
/// "With a passcode a lost link opens nothing; wrong guesses lock it."
pub const PASSCODE_WHY: Text = Text::new(
    "有口令时，别人捡到链接也打不开；连续输错会锁定。",
    "With a passcode a lost link opens nothing; wrong guesses lock it.",
);
/// "May be opened once only"
pub const ONCE: Text = Text::new("只能打开一次", "May be opened once only");
/// "With a hospital"
pub const WITH_HOSPITAL: Text = Text::new("给一家医院", "With a hospital");
/// "Its doctors may look while they treat you"
pub const WITH_HOSPITAL_HOW: Text =
    Text::new("该院医生为您诊疗时可以查看", "Its doctors may look while they treat you");
/// "Agree and share"
pub const GIVE: Text = Text::new("同意并授权", "Agree and share");
/// "You can take it back at any time, everywhere within ten seconds. Every look is r"
pub const GIVE_HOW: Text = Text::new(
    "您可以随时撤销，十秒内在所有医院生效；每次查看都会记录。",
    "You can take it back at any time, everywhere within ten seconds. Every look is recorded.",
);
/// "Something is not filled in as it should be. Check it and try again."
pub const WRONG_FORM: Text = Text::new(
    "有内容填写不正确，请检查后重试。",
    "Something is not filled in as it should be. Check it and try again.",
);
/// "A passcode has 6 to 64 characters."
pub const WRONG_PASSCODE_FORM: Text = Text::new("口令须为 6 至 64 个字符。", "A passcode has 6 to 64 characters.");
/// "items"
pub const ITEMS: Text = Text::new("个项目", "items");
/// "single result"
pub const SINGLE_RESULT: Text = Text::new("项结果", "single result");
/// "single results"
pub const SINGLE_RESULTS: Text = Text::new("项结果", "single results");
/// "Every look at your results is listed here. Nobody can remove or change it."
pub const ACCESSES_HOW: Text = Text::new(
    "这里列出每一次对您结果的查看，任何人都不能删改。",
    "Every look at your results is listed here. Nobody can remove or change it.",
);
/// "Others"
pub const OTHERS_ONLY: Text = Text::new("他人", "Others");
/// "My own too"
pub const OWN_TOO: Text = Text::new("含我自己", "My own too");
/// "Nobody has looked at your results."
pub const NOBODY_LOOKED: Text = Text::new("还没有人看过您的结果。", "Nobody has looked at your results.");
/// "Staff number"
pub const STAFF: Text = Text::new("工号", "Staff number");
/// "Reason: "
pub const REASON: Text = Text::new("理由：", "Reason: ");
/// "refused"
pub const REFUSED: Text = Text::new("已拒绝", "refused");
/// "wrong passcode"
pub const WRONG_PASSCODE: Text = Text::new("口令错误", "wrong passcode");
/// "break-glass"
pub const EMERGENCY: Text = Text::new("紧急查看", "break-glass");
/// "The holder of a link"
pub const HOLDER: Text = Text::new("链接持有人", "The holder of a link");
/// "You"
pub const YOU: Text = Text::new("您", "You");
/// "Your guardian"
pub const GUARDIAN: Text = Text::new("您的监护人", "Your guardian");
/// "viewed your results"
pub const DID_VIEW: Text = Text::new("查看了您的结果", "viewed your results");
/// "was prompted with your results when ordering"
pub const DID_PROMPT: Text = Text::new("开单时收到互认提示", "was prompted with your results when ordering");
/// "listed your recent results"
pub const DID_LIST: Text = Text::new("列出了您的近期结果", "listed your recent results");
/// "had a prompt on the screen"
pub const DID_SHOW: Text = Text::new("在屏幕上看到提示", "had a prompt on the screen");
/// "quoted your results into a record"
pub const DID_QUOTE: Text = Text::new("把您的结果引用到病历", "quoted your results into a record");
/// "relied on your results instead of testing again"
pub const DID_ACCEPT: Text =
    Text::new("采用了您的结果，免做重复检查", "relied on your results instead of testing again");
/// "did not rely on them and tested again"
pub const DID_DECLINE: Text = Text::new("未采用，重新检查", "did not rely on them and tested again");
/// "took a decision back"
pub const DID_TAKE_BACK: Text = Text::new("撤回了互认决定", "took a decision back");
/// "downloaded an original"
pub const DID_FETCH: Text = Text::new("下载了原始报告", "downloaded an original");
/// "opened your results"
pub const DID_OPEN: Text = Text::new("打开了您的结果", "opened your results");
/// "read your results through an interface"
pub const DID_READ: Text = Text::new("通过接口读取了您的结果", "read your results through an interface");
/// "read your own"
pub const DID_READ_OWN: Text = Text::new("查看了自己的内容", "read your own");
/// "opened the link that you shared"
pub const DID_USE_LINK: Text = Text::new("打开了您分享的链接", "opened the link that you shared");
/// "shared results"
pub const DID_SHARE: Text = Text::new("作出一项授权", "shared results");
/// "took a share back"
pub const DID_REVOKE: Text = Text::new("撤销了一项授权", "took a share back");
/// "opted out of sharing"
pub const DID_OPT_OUT: Text = Text::new("退出了共享", "opted out of sharing");
/// "opted in again"
pub const DID_OPT_IN: Text = Text::new("恢复了共享", "opted in again");
/// "Why: the hospital's own result"
pub const BASIS_OWN: Text = Text::new("依据：该院自己的结果", "Why: the hospital's own result");
/// "Why: care under way"
pub const BASIS_CARE: Text = Text::new("依据：正在为您诊疗", "Why: care under way");
/// "Why: you shared them"
pub const BASIS_CONSENT: Text = Text::new("依据：您的授权", "Why: you shared them");
/// "Why: an emergency, without your leave"
pub const BASIS_GLASS: Text = Text::new("依据：紧急情况，未经您同意", "Why: an emergency, without your leave");
/// "Sharing is on"
pub const SHARING_ON: Text = Text::new("共享已开启", "Sharing is on");
/// "You have opted out"
pub const SHARING_OFF: Text = Text::new("您已退出共享", "You have opted out");
/// "When you are treated, the doctor sees recent results from other hospitals and ne"
pub const SHARING_ON_HOW: Text = Text::new(
    "您就诊时，医生会看到您在其他医院的近期结果，从而避免重复检查。您可以退出：",
    "When you are treated, the doctor sees recent results from other hospitals and need not repeat them. You can opt out:",
);
/// "When you are treated, doctors do not see other hospitals' results, and may repea"
pub const SHARING_OFF_HOW: Text = Text::new(
    "您就诊时，医生看不到其他医院的结果，可能会重复检查。",
    "When you are treated, doctors do not see other hospitals' results, and may repeat them.",
);
/// "In an emergency a doctor can still look, for a written reason, and you will see "
pub const STILL_EMERGENCY: Text = Text::new(
    "危及生命时，医生仍可写明理由紧急查看；您会在“谁看过”里看到。",
    "In an emergency a doctor can still look, for a written reason, and you will see it.",
);
/// "Each hospital still sees its own results."
pub const STILL_OWN: Text =
    Text::new("每家医院仍能看到它自己出具的结果。", "Each hospital still sees its own results.");
/// "Shares given before fall asleep; those you give later work."
pub const STILL_CONSENT: Text = Text::new(
    "退出前的授权会停用；之后您新作的授权有效。",
    "Shares given before fall asleep; those you give later work.",
);
/// "Opt out of sharing"
pub const OPT_OUT: Text = Text::new("退出共享", "Opt out of sharing");
/// "Share again"
pub const OPT_IN: Text = Text::new("恢复共享", "Share again");
/// "Acting for a child"
pub const WARDS: Text = Text::new("代孩子操作", "Acting for a child");
/// "No relation is registered. Have it registered at a hospital."
pub const NO_WARDS: Text = Text::new(
    "没有登记的监护关系。请携带户口簿到医院登记。",
    "No relation is registered. Have it registered at a hospital.",
);
/// "Child"
pub const WARD: Text = Text::new("孩子", "Child");
/// "Act for this child"
pub const ACT_FOR: Text = Text::new("代他/她操作", "Act for this child");
/// "now"
pub const CURRENT: Text = Text::new("当前", "now");
