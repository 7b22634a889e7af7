//! What the prompt page says.

use crate::doors::http::pages::texts::Text;

pub(super) const TITLE: Text = Text::new("互认提示", "Earlier results for this order");
pub(super) const TICKET_USED: Text = Text::new("提示页已打开过", "This prompt was opened already");
pub(super) const TICKET_USED_ADVICE: Text = Text::new(
    "每张票据只能打开一次。请回到开单界面重新打开。",
    "A ticket opens once. Open the prompt again from the order screen.",
);
pub(super) const TICKET_UNKNOWN: Text = Text::new("提示页链接无效", "No such prompt");
pub(super) const TICKET_UNKNOWN_ADVICE: Text = Text::new(
    "链接已过期或不存在（有效期两分钟）。请照常开单，或从开单界面重新打开。",
    "The link has ended after two minutes or never was. Order as usual, or open the prompt again from the order screen.",
);
pub(super) const SESSION_ENDED: Text = Text::new("提示页已超时", "This prompt has ended");
pub(super) const SESSION_ENDED_ADVICE: Text = Text::new(
    "提示页保留三十分钟。已作的决定已保存；其余请从开单界面重新打开。",
    "A prompt is kept for thirty minutes. What was decided is recorded; open it again from the order screen for the rest.",
);
pub(super) const DEGRADED: Text = Text::new("请照常开单", "Order as usual");
pub(super) const NOTHING: Text =
    Text::new("没有可互认的外院结果，请照常开单。", "No earlier result qualifies; order as usual.");
pub(super) const ALL_DECIDED: Text =
    Text::new("已全部处理，可返回开单界面。", "All is decided; return to the order screen.");

pub(super) const FULL: Text = Text::new("可全部互认", "Fully answered");
pub(super) const PARTIAL: Text = Text::new("可部分互认", "Partly answered");
pub(super) const NONE: Text = Text::new("无可互认结果，照常开单", "Not answered: order as usual");
pub(super) const ACCEPTED: Text = Text::new("✓ 已互认", "✓ Accepted");
pub(super) const DECLINED: Text = Text::new("✕ 不互认", "✕ Declined");
pub(super) const MIXED: Text = Text::new("已处理（部分互认）", "Decided, accepted in part");

pub(super) const REST: Text = Text::new("只需再开", "Order only");
pub(super) const ACCEPT: Text = Text::new("互认，不再开单", "Accept, do not order");
pub(super) const ACCEPT_REST: Text = Text::new("互认，并只开其余项目", "Accept and order the rest");
pub(super) const DECLINE: Text = Text::new("不互认，仍要检查…", "Decline, order again…");
pub(super) const ORIGINAL: Text = Text::new("查看原件", "View original");
pub(super) const REASON: Text = Text::new("不互认原因", "Reason");
pub(super) const EXPLAIN: Text = Text::new("请说明（勿写患者姓名）", "Say why, without naming the patient");
pub(super) const SUBMIT: Text = Text::new("提交", "Submit");
pub(super) const QUIET: Text = Text::new("未提示的结果及原因", "Results not offered, and why");
pub(super) const UNKNOWN_CODES: Text = Text::new("目录中没有的代码", "Codes not in the catalogue");
pub(super) const ORDER_NOTHING: Text = Text::new("此项不再开单。", "Do not order this.");
pub(super) const ORDER_ALL: Text = Text::new("照常开单。", "Order this as usual.");
pub(super) const CHOOSE: Text = Text::new("请至少选择一项结果。", "Choose at least one result.");
pub(super) const TEXT_NEEDED: Text = Text::new("此原因需要文字说明。", "This reason needs a text.");
pub(super) const TEXT_LONG: Text = Text::new("说明过长，请精简。", "The text is too long; shorten it.");
pub(super) const CHOICE_NEEDED: Text = Text::new("请选择其中一项。", "Choose one of these.");
pub(super) const NOT_RECORDED: Text =
    Text::new("尚未保存：区域中心暂不可达，请再试一次。", "Not recorded: the exchange cannot be reached. Try again.");
pub(super) const DECIDED_ELSEWHERE: Text =
    Text::new("此提示已在别处处理，请以原处理为准。", "This prompt was decided elsewhere; that decision stands.");
pub(super) const NOT_TAKEN: Text = Text::new("未被受理，请刷新后重试。", "Not taken; reload and try again.");

pub(super) const KEY_LINE: Text = Text::new("选择医嘱", "line");
pub(super) const KEY_ACCEPT: Text = Text::new("互认", "accept");
pub(super) const KEY_REST: Text = Text::new("互认并开其余", "accept, order the rest");
pub(super) const KEY_DECLINE: Text = Text::new("不互认，再按原因键", "decline, then the reason's key");
pub(super) const KEY_ORIGINAL: Text = Text::new("原件", "original");
pub(super) const KEY_BACK: Text = Text::new("返回", "back");
