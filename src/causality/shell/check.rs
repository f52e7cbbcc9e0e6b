//! Which commands test, lint, format or build, by the names that the common ecosystems give them.

use std::sync::LazyLock;

use regex::bytes::Regex;

use super::Category;

static CHECKS: LazyLock<Vec<(Category, Regex)>> = LazyLock::new(|| {
    let all = [
        (
            Category::Test,
            r"\b(go test|cargo (nextest|test)|(npm|pnpm|yarn|bun)( run)? (test|t)\b|pytest|unittest|jest|vitest|mocha|rspec|phpunit|ctest|(mise( run)?|make|just|task|rake|tox|gradle\w*|\./gradlew|mvn)\b[^|;&]*\b(test|tests|check|e2e|verify)|dotnet test|swift test|deno test|nox|tox|playwright|Invoke-Pester)|(?:^|[/ ])tests?/\S*test\S*\.(py|js|ts|rb|sh|php)\b|(?:^|[/ ])test_\w+\.py\b",
        ),
        (
            Category::Lint,
            r"\b(golangci-lint|clippy|eslint|ruff( check)?|flake8|pylint|mypy|pyright|tsc|go vet|staticcheck|shellcheck|typecheck|lint|rubocop|biome|bun check|cargo deny|ktlint|swiftlint|goreleaser check|terraform (validate|fmt -check)|nginx -t|actionlint|hadolint|yamllint|markdownlint)\b",
        ),
        (
            Category::Format,
            r"\b(gofmt|goimports|cargo fmt|rustfmt|prettier|black|(mise( run)?|make|just|npm run|pnpm|yarn) (fmt|format)|ruff format|clang-format)\b",
        ),
        (
            Category::Build,
            r"\b(go (build|install|run)|cargo (build|check|run|install)|(npm|pnpm|yarn|bun)( run)? build|make|cmake|ninja|(mise( run)?|just|task) build|gradle\w*|mvn|tsc|dotnet build|swift build|docker (build|compose)|xcodebuild|node|python3?|bash|sh|deno|bun run|npx|npm start)\b|^\./\S+|\btarget/\S+",
        ),
    ];
    all.iter().filter_map(|(c, p)| Some((*c, Regex::new(&format!("(?i-u){p}")).ok()?))).collect()
});

static TOOL_QUESTIONS: LazyLock<Option<Regex>> = LazyLock::new(|| {
    let p = r"^(mise|asdf|rustup|nvm|volta|rbenv|pyenv) (which|current|ls|list|show|where|use|trust)\b|^(npm|pnpm|yarn|cargo|pip3?|go|uv) (ls|list|show|view|info|why|tree|metadata|env|doc|version)\b";
    Regex::new(&format!("(?-u){p}")).ok()
});

/// The category of a command.
pub(super) fn category(command: &str) -> Option<Category> {
    // `ruff format` is no lint although it names one
    CHECKS
        .iter()
        .find(|(c, r)| r.is_match(command.as_bytes()) && !(*c == Category::Lint && command.contains("ruff format")))
        .map(|(c, _)| *c)
}

/// Whether a command only asks a tool about itself or the project: `npm ls`, `rustup show`.
pub(super) fn is_tool_question(command: &str) -> bool {
    TOOL_QUESTIONS.as_ref().is_some_and(|r| r.is_match(command.as_bytes()))
}
