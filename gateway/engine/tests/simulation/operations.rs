//! The operations of the simulated lane.

use policies::operation::{LaneName, Late, OpName, Operation, Resend, Strategy};

pub(crate) const SEND: OpName = OpName("send");
pub(crate) const ANNUL: OpName = OpName("annul");
pub(crate) const LOOK: OpName = OpName("look");
pub(crate) const LIST: OpName = OpName("list");
pub(crate) const LOT: OpName = OpName("lot");

pub(crate) const LANE: LaneName = LaneName("model.writes");

const fn row(op: OpName, strategy: Strategy, settle_by: &'static [OpName]) -> Operation {
    Operation {
        op,
        lane: LANE,
        strategy,
        settle_by,
        undo_by: None,
        resend: Resend::Same,
        late: Late::Watch,
    }
}

pub(crate) const WRITE: Operation = Operation {
    undo_by: Some(ANNUL),
    ..row(SEND, Strategy::WriteBehind, &[LOOK, LIST])
};
pub(crate) const OPERATIONS: &[Operation] = &[
    WRITE,
    row(ANNUL, Strategy::WriteBehind, &[LOOK]),
    row(LOOK, Strategy::PassThrough, &[]),
    row(LIST, Strategy::PassThrough, &[]),
    row(LOT, Strategy::PassThrough, &[]),
];
