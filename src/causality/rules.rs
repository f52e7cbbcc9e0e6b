//! The rules: why an earlier step may be a cause. Each has two numbers: how often its proposals are direct causes
//! (`p`, from which the confidence of an edge comes), and how strongly it answers "why was this call made at all" (`r`, which
//! decides the primary). They are set by hand, each for a reason of its own, and fitted to no session.

use super::Kind;

/// Numbers of a rule.
pub(super) struct Weights {
    pub name: &'static str,
    pub p: f32,
    pub r: f32,
    pub kind: Kind,
}

macro_rules! rules {
    ($($(#[doc = $doc:literal])* $id:ident = $name:literal, $p:literal, $r:literal, $kind:ident;)*) => {
        /// A rule.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub(super) enum Rule { $($(#[doc = $doc])* $id),* }

        /// The names of all rules.
        pub(super) const NAMES: &[&str] = &[$($name),*];

        impl Rule {
            pub(super) fn weights(self) -> Weights {
                match self {
                    $(Self::$id => Weights { name: $name, p: $p, r: $r, kind: Kind::$kind }),*
                }
            }
        }
    };
}

rules! {
    /// Reads what this call started in the background.
    Poll = "poll", 0.97, 9.0, Content;
    /// The poll before.
    PollAgain = "poll-again", 0.45, 1.0, Plan;
    /// Made in the first turn after the prompt.
    PromptFirst = "prompt-first", 0.97, 8.0, Prompt;
    /// Follows a text that the client injected: a skill, a command.
    Meta = "injected", 0.90, 6.0, Prompt;
    /// Little flows from earlier calls, and the prompt is near.
    PromptOnly = "prompt-near", 0.60, 2.2, Prompt;
    /// A step of the version-control task that the prompt sets: commit, push, open a pull request.
    PromptTask = "prompt-task", 0.90, 5.0, Prompt;
    /// A look at the work, or the step before, that such a step rests on.
    TaskLook = "task-look", 0.80, 1.5, Content;
    /// Searches again for what those edits were to change.
    SearchAgain = "searches-again", 0.80, 3.4, Verify;
    /// Searches for what that edit wrote or touched: who else uses it.
    LookUses = "looks-for-uses", 0.72, 3.0, Content;
    /// Another try at an edit that failed.
    EditAgain = "edit-again", 0.85, 5.6, Retry;
    /// Goes on where a read of the turn before ended.
    ReadOnPrev = "goes-on-reading", 0.88, 3.6, Content;
    /// Uses telling words of the prompt that no call showed since.
    PromptWords = "prompt-words", 0.70, 2.4, Prompt;
    /// The prompt that a short "yes" refers to.
    PromptYes = "prompt-agreed", 0.45, 0.5, Prompt;
    /// The prompt names the file.
    PromptPath = "prompt-path", 0.62, 2.6, Prompt;
    /// The prompt names the file and the line.
    PromptLine = "prompt-line", 0.85, 4.6, Prompt;
    /// The turn before showed `path:line` inside the range that is read.
    LinePrev = "line-just-shown", 0.92, 4.0, Content;
    /// An earlier step did, most recently.
    Line = "line-shown", 0.80, 3.5, Content;
    /// The turn before showed the path.
    PathPrev = "path-just-shown", 0.85, 3.2, Content;
    /// The most recent listing, search or run that showed the path.
    PathListed = "path-listed", 0.80, 2.4, Content;
    /// The first step that showed a path which the fresh prompt does not name.
    PathKnown = "path-known", 0.35, 0.8, Content;
    /// Looked into the folder where the agent expects a file that nothing showed.
    Folder = "same-folder", 0.60, 1.6, Content;
    /// Read the file whose tests are looked at.
    TestsOf = "tests-of-that", 0.60, 2.5, Content;
    /// Reads the next part of the file.
    ReadOn = "read-on", 0.62, 1.8, Content;
    /// Read the same part of the file before.
    Reread = "read-again", 0.60, 1.5, Content;
    /// Read another part of the file before.
    SameFile = "same-file", 0.52, 1.2, Content;
    /// Words of the call were shown in the turn before.
    WordsPrev = "words-just-shown", 0.72, 2.2, Content;
    /// Showed an id that nobody guesses.
    Id = "id-shown", 0.90, 4.4, Content;
    /// Showed the very value that a tool of no known kind is given.
    Value = "value-shown", 0.80, 3.0, Content;
    /// Showed such an id, which other calls used since.
    IdKnown = "id-known", 0.75, 1.5, Content;
    /// The prompt speaks of what is looked at.
    PromptSpeaks = "prompt-speaks", 0.60, 1.0, Prompt;
    /// The prompt asks for a look at the state that it left.
    PromptState = "prompt-state", 0.55, 2.4, Prompt;
    /// Showed the changes of others that a check is to judge.
    VerifyShown = "verify-shown", 0.60, 3.0, Verify;
    /// The prompt wants those changes judged.
    ChecksGiven = "prompt-judge", 0.55, 2.8, Prompt;
    /// Showed what the agent offered, and the user agreed to.
    Offered = "offered-from", 0.70, 1.5, Content;
    /// Words that only this step showed.
    WordsOnly = "words-only-there", 0.72, 1.8, Content;
    /// Words that this step showed last.
    WordsLast = "words-shown", 0.50, 1.0, Content;
    /// A literal that this step showed last.
    Phrase = "phrase", 0.70, 2.4, Content;
    /// One of several calls just before.
    Prev = "just-before", 0.30, 0.6, Order;
    /// The only call just before.
    PrevSingle = "only-call-before", 0.62, 2.2, Order;
    /// The turn before failed.
    Reacts = "reacts", 0.85, 4.2, Retry;
    /// The same thing again with other arguments after a failure.
    Retry = "retry", 0.80, 3.5, Retry;
    /// The same command ran before.
    Again = "again", 0.48, 0.5, Plan;
    /// The same command failed before.
    AgainFailed = "again-failed", 0.55, 1.5, Retry;
    /// A failure that is still to be mended.
    OpenFail = "open-failure", 0.75, 2.0, Retry;
    /// A run failed and this check answers it.
    ReactsCheck = "reacts-check", 0.85, 4.8, Retry;
    /// The same kind of check failed and no edit came since.
    OpenCheck = "open-check", 0.85, 5.0, Retry;
    /// Checks this edit.
    Verify = "verify", 0.93, 3.0, Verify;
    /// The edit that the check is about.
    VerifyMain = "verify-main", 0.95, 4.5, Verify;
    /// Edits that the failed run before was to verify.
    VerifyInherit = "verify-inherited", 0.75, 1.5, Verify;
    /// Looks at what this edit wrote: its lines are in the output.
    LookEdit = "looks-at-edit", 0.85, 3.8, Verify;
    /// Looks into the file just edited.
    LookFile = "looks-into-edited", 0.85, 3.3, Verify;
    /// A throw-away program run after edits.
    VerifyRun = "verify-run", 0.72, 2.0, Verify;
    /// The next step with version control.
    VcsStep = "vcs-step", 0.85, 2.5, Plan;
    /// The call whose completion the list records.
    Todo = "list-records", 0.85, 5.0, Plan;
    /// The list that named this item.
    TodoPlan = "list-next", 0.45, 1.0, Plan;
    /// The command stands in the prompt.
    Told = "told", 0.92, 6.0, Prompt;
    /// The prompt asks for this kind of check.
    Asked = "asked", 0.92, 6.0, Prompt;
    /// Showed how to run the command.
    How = "how", 0.80, 1.5, Content;
    /// Showed the text that is replaced.
    OldShown = "old-text-shown", 0.88, 1.0, Content;
    /// Wrote the text that is replaced, and nothing showed it since.
    OldWrote = "old-text-written", 0.88, 0.8, Content;
    /// Wrote it, and a later step showed it again.
    OldWroteShown = "old-text-written-earlier", 0.45, 0.4, Content;
    /// Wrote what the failed check complains about.
    Broke = "broke", 0.80, 0.7, Content;
    /// Looked into the edited file in the turn before.
    PrevRead = "just-read", 0.80, 1.0, Content;
    /// The prompt asks for the edit.
    ReasonPrompt = "reason-prompt", 0.95, 5.0, Prompt;
    /// A failure is open.
    ReasonFail = "reason-failure", 0.93, 6.0, Retry;
    /// First showed telling words of a text that is written anew.
    Drawn = "drawn-from", 0.60, 0.8, Content;
    /// Moved or removed the file whose name is searched for.
    Moved = "moved-before", 0.80, 3.6, Verify;
    /// The agent's own words in the turn point there.
    Said = "agent-said", 0.45, 0.5, Content;
    /// What an experiment showed.
    ReasonRun = "reason-run", 0.75, 5.0, Content;
    /// The plan that the user approved, the answer that he gave.
    ReasonPlan = "reason-plan", 0.85, 5.2, Plan;
    /// Showed the words that the edit is made of.
    ReasonWords = "reason-words", 0.70, 5.2, Content;
    /// The step that made the agent read the edited text.
    ReasonChain = "reason-chain", 0.75, 5.0, Content;
    /// The edit that led to that reading.
    ReasonEdit = "reason-edit", 0.75, 2.0, Content;
    /// Rewrites what the edit just before wrote.
    FixOwn = "fixes-own", 0.80, 5.6, Retry;
    /// The agent's answer tells of what this call showed.
    Tells = "answer-tells", 0.80, 3.0, Content;
    /// The answer says how the last check went.
    TellsCheck = "answer-checked", 0.70, 2.0, Content;
}
