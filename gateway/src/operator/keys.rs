//! How the keys of a gateway are told to whoever asks for them.

use std::fmt::Write as _;

use serde_json::Value;

use super::{items, text};

/// Each key on a line, and the rotation.
pub(super) fn listed(said: &Value) -> String {
    let mut lines = String::new();
    for key in items(said, "items") {
        let (id, state) = (text(key, "id"), text(key, "state"));
        let (seals, made_at) = (text(key, "seals"), text(key, "made_at"));
        write!(lines, "{id}  {state:<6}  {seals:<5}  made {made_at}")
            .expect("writing to a String cannot fail");
        if let Some(values) = key["values"].as_u64()
            && (seals, state != "gone") == ("rows", true)
        {
            write!(lines, "  {values} values").expect("writing to a String cannot fail");
        }
        lines.push('\n');
    }
    lines + &rotation(&said["rotation"])
}

/// What became of a wish to rotate.
pub(super) fn begun(said: &Value) -> String {
    let began = if said["began"] == true {
        "a new key seals what is new\n"
    } else {
        "a rotation is under way already\n"
    };
    began.to_owned() + &rotation(&said["rotation"])
}

fn rotation(said: &Value) -> String {
    let mut line = match (said["is_running"] == true, said["is_stopped"] == true) {
        (true, true) => "a rotation has stopped, and is tried again".to_owned(),
        (true, false) => "a rotation is under way".to_owned(),
        (false, _) => "no rotation is under way".to_owned(),
    };
    if let Some(since) = said["since"].as_str() {
        write!(
            line,
            ": since {since} {} values sealed again",
            said["resealed"]
        )
        .expect("writing to a String cannot fail");
    }
    if said["damaged"].as_u64().unwrap_or(0) > 0 {
        write!(line, ", {} do not open and keep their key", said["damaged"])
            .expect("writing to a String cannot fail");
    }
    line.push('\n');
    line
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn keys_and_rotation_are_told() {
        let rotation = json!({"is_running": true, "is_stopped": false,
            "since": "2026-11-22T10:00:00Z", "resealed": 7, "damaged": 1});
        let said = json!({"rotation": rotation, "items": [
            {"id": "6ac46813", "seals": "rows", "state": "old", "values": 5,
             "made_at": "2026-11-21T10:00:00Z"},
            {"id": "00ff00ff", "seals": "audit", "state": "active", "values": 0,
             "made_at": "2026-11-22T10:00:00Z"},
            {"id": "0badcafe", "seals": "rows", "state": "active",
             "made_at": "2026-11-22T10:00:00Z"},
        ]});
        assert_eq!(
            listed(&said),
            "6ac46813  old     rows   made 2026-11-21T10:00:00Z  5 values\n\
             00ff00ff  active  audit  made 2026-11-22T10:00:00Z\n\
             0badcafe  active  rows   made 2026-11-22T10:00:00Z\n\
             a rotation is under way: since 2026-11-22T10:00:00Z 7 values sealed again, \
             1 do not open and keep their key\n"
        );
        let said = json!({"began": false, "rotation": {"is_running": false}});
        assert_eq!(
            begun(&said),
            "a rotation is under way already\nno rotation is under way\n"
        );
    }
}
