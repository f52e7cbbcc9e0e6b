//! Memory where single things are large: a line of 50 MB, an output of 10 MB.

use std::fs;

use serde_json::json;

use crate::generate::Session;
use crate::generate::claude_code::Until;
use crate::measure::{at_most, head, row};
use crate::place::Place;

pub fn measure() {
    head("single large things (each beside 1 000 events)");
    for (name, bytes) in [("an output of 10 MB", 10 << 20), ("a line of 50 MB", 50 << 20)] {
        let place = Place::new();
        let session = Session::mixed(1);
        let (path, _) = place.claude_code(&session, Until::Events(1000));
        let common = json!({"isSidechain": false, "cwd": "/home/dev/project", "sessionId": session.id(), "version": "2.1.260",
            "timestamp": "2026-02-01T00:00:00.000Z"});
        let call = json!({"type": "assistant", "uuid": "u-call", "message": {"id": "m-large", "role": "assistant", "model": "m",
            "content": [{"type": "tool_use", "id": "toolu_large", "name": "Bash", "input": {"command": "cat all.log"}}]}});
        let text = "all is well in \"the log\"\n".repeat(bytes / 26);
        let result = json!({"type": "user", "uuid": "u-result", "parentUuid": "u-call", "message": {"role": "user",
            "content": [{"type": "tool_result", "tool_use_id": "toolu_large", "content": text}]}});
        let mut lines = fs::read(&path).expect("it is there");
        for mut line in [call, result] {
            line.as_object_mut().expect("an object").extend(common.as_object().expect("an object").clone());
            lines.extend(line.to_string().bytes());
            lines.push(b'\n');
        }
        fs::write(&path, lines).expect("it can be written");
        for args in [vec!["import"], vec!["sessions"], vec!["tree", "latest"], vec!["stats", "latest"]] {
            let cost = place.cost(&args);
            let says = if bytes < 50 << 20 { at_most(cost.peak, 150.0, "MB") } else { String::new() };
            row(&format!("{name}: {}", args[0]), cost, &says);
        }
    }
}
