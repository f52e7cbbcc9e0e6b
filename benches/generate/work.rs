//! What an agent did, free of any agent's format.

use serde_json::{Value, json};

use super::project::Project;
use super::{Random, Session};

/// How calls depend on one another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// Each call reads the file that the one before named.
    Chain,
    /// One search names all files; one response reads them all.
    Star,
    /// Responses of eight calls each.
    Batches,
    /// As agents work: searches, reads, edits, runs, failures, retries, prompts between.
    Mixed,
}

impl Shape {
    pub const ALL: [Self; 4] = [Self::Chain, Self::Star, Self::Batches, Self::Mixed];

    pub fn name(self) -> &'static str {
        match self {
            Self::Chain => "chain",
            Self::Star => "star",
            Self::Batches => "batches",
            Self::Mixed => "mixed",
        }
    }
}

/// A call with its result.
pub struct Call {
    pub tool: &'static str,
    pub input: Value,
    pub output: String,
    pub failed: bool,
    /// The text of the file that was edited, of which some agents record a copy, and the line of the edit.
    pub edited: Option<(String, usize)>,
}

impl Call {
    fn new(tool: &'static str, input: Value, output: String) -> Self {
        Self { tool, input, output, failed: false, edited: None }
    }
}

/// One response of the model.
#[derive(Default)]
pub struct Response {
    pub thought: Option<String>,
    pub words: Option<String>,
    pub calls: Vec<Call>,
}

/// A prompt and the responses to it.
pub struct Turn {
    pub prompt: String,
    pub responses: Vec<Response>,
}

/// The turns of one session, as many as are asked for.
pub struct Work {
    project: Project,
    random: Random,
    shape: Shape,
    /// The file that the work is at.
    at: usize,
    /// The line of a failing test, until an edit mends it.
    failing: Option<(usize, usize)>,
    /// Calls of a star that have not been made.
    star: usize,
}

impl Work {
    /// The work of a session of some `events` events in all.
    pub fn new(session: &Session<'_>, events: usize) -> Self {
        // a session of 1 000 events touches some 60 files
        let project = Project::new(session.cwd, (events / 16).clamp(40, 2000));
        let mut random = Random::new(super::SEED ^ session.number);
        let at = random.below(project.files.len());
        Self { project, random, shape: session.shape, at, failing: None, star: events }
    }

    /// The next turn; a session that goes on has as many as one wants.
    pub fn turn(&mut self) -> Turn {
        let bytes = self.random.size([95.0, 1165.0, 11_928.0, 49_926.0]);
        let prompt = self.project.prose(bytes.max(20));
        let responses = match self.shape {
            Shape::Chain => (0..40).map(|_| self.chain()).collect(),
            Shape::Star => vec![self.search_all(), self.read_all()],
            Shape::Batches => (0..5).map(|_| self.batch()).collect(),
            Shape::Mixed => {
                let n = 4 + self.random.below(20);
                let mut all: Vec<_> = (0..n).map(|_| self.response()).collect();
                let bytes = self.random.size([300.0, 1600.0, 3930.0, 7180.0]);
                all.push(Response { words: Some(self.project.prose(bytes)), ..Response::default() });
                all
            }
        };
        Turn { prompt, responses }
    }

    fn chain(&mut self) -> Response {
        let file = self.at;
        self.at = self.random.below(self.project.files.len());
        let mut call = self.read(file);
        call.output.push_str(&format!("see {}\n", self.project.files[self.at].path));
        Response { calls: vec![call], ..Response::default() }
    }

    fn search_all(&mut self) -> Response {
        let paths: Vec<&str> = self.project.files.iter().map(|f| f.path.as_str()).collect();
        let call = Call::new("Glob", json!({"pattern": "src/**/*.rs"}), paths.join("\n"));
        Response { calls: vec![call], ..Response::default() }
    }

    fn read_all(&mut self) -> Response {
        let files = self.project.files.len();
        let calls = (0..std::mem::take(&mut self.star)).map(|i| self.read(i % files)).collect();
        Response { calls, ..Response::default() }
    }

    fn batch(&mut self) -> Response {
        let mut calls = vec![self.search()];
        for _ in 1..8 {
            let file = self.random.below(self.project.files.len());
            calls.push(self.read(file));
        }
        Response { calls, ..self.says() }
    }

    /// What a response says and thinks before its calls.
    fn says(&mut self) -> Response {
        let words = self.random.chance(0.35).then(|| self.random.size([101.0, 1092.0, 3930.0, 7180.0]));
        let thought = self.random.chance(0.25).then(|| self.random.size([200.0, 1500.0, 5000.0, 13_662.0]));
        Response {
            words: words.map(|n| self.project.prose(n)),
            thought: thought.map(|n| self.project.prose(n)),
            calls: Vec::new(),
        }
    }

    fn response(&mut self) -> Response {
        let mut response = self.says();
        let calls = match self.random.below(100) {
            0..93 => 1,
            93..97 => 2,
            97..99 => 3,
            _ => 6,
        };
        for _ in 0..calls {
            let call = self.call();
            response.calls.push(call);
        }
        response
    }

    fn call(&mut self) -> Call {
        if self.random.chance(0.2) {
            self.at = self.random.below(self.project.files.len());
        }
        match self.random.below(100) {
            0..41 => self.run(),
            41..65 => self.edit(),
            65..88 => {
                let file = self.at;
                self.read(file)
            }
            88..94 => self.search(),
            94..98 => {
                let items = (0..5).map(|i| json!({"content": self.project.words(6), "status": if i < 2 { "completed" } else { "pending" }, "activeForm": self.project.words(3)}));
                let input = json!({"todos": items.collect::<Vec<_>>()});
                Call::new("TodoWrite", input, "Todos have been modified successfully.".repeat(3))
            }
            98 => self.write(),
            _ => {
                self.at = self.random.below(self.project.files.len());
                self.search()
            }
        }
    }

    fn read(&mut self, file: usize) -> Call {
        let f = &self.project.files[file];
        let mut output = String::new();
        for (i, line) in f.lines.iter().take(400).enumerate() {
            output.push_str(&format!("{:>6}\t{line}\n", i + 1));
        }
        Call::new("Read", json!({"file_path": f.path}), output)
    }

    fn search(&mut self) -> Call {
        let pattern = self.project.symbol(self.at);
        let bytes = self.random.size([723.0, 6264.0, 19_976.0, 20_031.0]);
        let output = self.project.lines(self.at, bytes);
        Call::new("Grep", json!({"pattern": pattern, "path": "src", "output_mode": "content", "-n": true}), output)
    }

    fn run(&mut self) -> Call {
        let bytes = self.random.size([349.0, 1882.0, 7951.0, 16_514.0]);
        let symbol = self.project.symbol(self.at);
        if self.random.chance(0.5) {
            let command = format!("cd {} && cargo test {symbol} -- --nocapture 2>&1 | tail -40", self.project.cwd);
            let failed = self.failing.is_some() || self.random.chance(0.25);
            let mut output = self.project.prose(bytes / 2);
            if failed {
                let (file, line) =
                    self.failing.unwrap_or((self.at, self.random.below(self.project.files[self.at].lines.len())));
                self.failing = Some((file, line));
                let f = &self.project.files[file];
                output.push_str(&format!(
                    "error[E0308]: mismatched types\n  --> {}:{}:9\n   |\n{} | {}\n",
                    f.path,
                    line + 1,
                    line + 1,
                    f.lines[line]
                ));
            }
            output.push_str(&format!(
                "\ntest result: {}. 12 passed; {} failed\n",
                if failed { "FAILED" } else { "ok" },
                u8::from(failed)
            ));
            let input = json!({"command": command, "description": self.project.words(4)});
            return Call {
                failed,
                ..Call::new("Bash", input, if failed { format!("Exit code 101\n{output}") } else { output })
            };
        }
        let path = self.project.files[self.at].path.clone();
        let command = match self.random.below(4) {
            0 => format!("rg -n '{symbol}' src | head -50"),
            1 => "git status --short && git diff --stat".to_owned(),
            2 => format!("sed -n '1,80p' {path}"),
            _ => format!("python3 - <<'EOF'\n{}\nEOF", self.project.lines(self.at, 300)),
        };
        let output = self.project.lines(self.at, bytes);
        Call::new("Bash", json!({"command": command, "description": self.project.words(5)}), output)
    }

    fn edit(&mut self) -> Call {
        let (file, line) = self
            .failing
            .take()
            .unwrap_or_else(|| (self.at, self.random.below(self.project.files[self.at].lines.len())));
        self.at = file;
        let bytes = self.random.size([450.0, 1700.0, 4000.0, 9000.0]);
        let lines = &self.project.files[file].lines;
        let mut before = Vec::new();
        let mut size = 0;
        for l in lines.iter().skip(line).take(60) {
            if size > bytes {
                break;
            }
            size += l.len() + 1;
            before.push(l.clone());
        }
        let original = lines.join("\n");
        let changed = self.random.below(before.len());
        let mut after = before.clone();
        after[changed] = format!(
            "    let {} = {}(\"{}\");",
            self.project.symbol(file),
            self.project.symbol(file),
            self.project.word()
        );
        let f = &mut self.project.files[file];
        f.lines[line + changed].clone_from(&after[changed]);
        let input = json!({"replace_all": false, "file_path": f.path, "old_string": before.join("\n"), "new_string": after.join("\n")});
        let output = format!("The file {} has been updated successfully.", f.path);
        Call { edited: Some((original, line + 1)), ..Call::new("Edit", input, output) }
    }

    fn write(&mut self) -> Call {
        self.project.add();
        self.at = self.project.files.len() - 1;
        let f = &self.project.files[self.at];
        let output = format!("File created successfully at: {}", f.path);
        Call::new("Write", json!({"file_path": f.path, "content": f.lines.join("\n")}), output)
    }
}
