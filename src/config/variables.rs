//! The variables: one table, from which the README's is checked and the unknown are refused.

use secrecy::SecretString;

/// One variable of the environment, and one key of the TOML file.
#[derive(Debug, Clone, Copy)]
pub struct Variable {
    pub name: &'static str,
    /// As the README shows it; empty: none.
    pub default: &'static str,
    pub meaning: &'static str,
}

const fn variable(name: &'static str, default: &'static str, meaning: &'static str) -> Variable {
    Variable { name, default, meaning }
}

/// All variables, in the order of the README.
pub const VARIABLES: [Variable; 45] = [
    variable("ANTHROPIC_API_KEY", "", "key for Claude models"),
    variable("GEMINI_API_KEY", "", "key for Gemini models; `GOOGLE_API_KEY` means the same"),
    variable("GOOGLE_API_KEY", "", "see `GEMINI_API_KEY`, which wins"),
    variable("CEREBRAS_API_KEY", "", "key for models at Cerebras"),
    variable("OPENROUTER_API_KEY", "", "key for models at OpenRouter"),
    variable(
        "OPENAI_COMPATIBLE_BASE_URL",
        "",
        "base URL of any server that speaks the OpenAI chat shape, up to and with `/v1`",
    ),
    variable("OPENAI_COMPATIBLE_API_KEY", "", "its key, if it wants one"),
    variable("OLLAMA_HOST", "", "where Ollama listens, e.g. `127.0.0.1:11434`; its models cost 0"),
    variable("ANTHROPIC_BASE_URL", "the provider's", "another base URL (https, or http on loopback)"),
    variable("GEMINI_BASE_URL", "the provider's", "the same for Gemini"),
    variable("CEREBRAS_BASE_URL", "the provider's", "the same for Cerebras"),
    variable("OPENROUTER_BASE_URL", "the provider's", "the same for OpenRouter"),
    variable("EMBEDDING_MODEL_NAME", "all-MiniLM-L6-v2", "sentence embedder with 384 dimensions"),
    variable("EMBEDDING_MODEL_PATH", "", "folder with `config.json`, `tokenizer.json`, `model.safetensors`"),
    variable(
        "EMBEDDING_DEVICE",
        "auto",
        "`auto`, `cpu`, `cuda` or `metal`; the last two need a build with that feature",
    ),
    variable("EMBEDDING_ENGINE", "auto", "`auto` (whichever is faster on this machine) or `candle`"),
    variable(
        "EMBEDDING_PRECISION",
        "f32",
        "`f32`, `bf16` or `int8`: how the embedder's weights are kept; each has its own cache",
    ),
    variable(
        "SIMILARITY_THRESHOLD",
        "",
        "cosine in (0, 1] from which a cached answer is served for a similar prompt, in the place of the calibrated policy",
    ),
    variable("CACHE_ERROR_RATE", "0.02", "bound on wrong answers per semantic hit, in (0, 0.5]"),
    variable(
        "CACHE_AUDIT_RATE",
        "0.1, falling to 0.03",
        "share of semantic hits that are paid for again to check them; 0: none, and a cosine of 0.95 decides",
    ),
    variable(
        "CACHE_TTL",
        "30d",
        "longest life of a cached answer, e.g. `12h`; answers about the present live shorter",
    ),
    variable(
        "BASELINE_MODEL",
        "the first priced model of the best tier that is configured",
        "model that savings are stated against",
    ),
    variable("DEFAULT_STRATEGY", "hybrid", "`complexity`, `learning` or `hybrid`"),
    variable(
        "EXPLORATION_BUDGET_USD",
        "0",
        "US dollars a month (UTC) for trials of other models, that only teach routing",
    ),
    variable("DAILY_BUDGET_USD", "no limit", "US dollars that may be spent in a UTC day; 0: nothing"),
    variable("MONTHLY_BUDGET_USD", "no limit", "the same for a UTC month"),
    variable("REQUEST_DEADLINE_MS", "45000", "longest time for one request, 1,000 to 240,000 ms"),
    variable(
        "STORE_PROMPTS",
        "redacted",
        "what is kept of prompts, answers and comments: `redacted`, `full`, `hash` or `off`; see [Privacy](#privacy)",
    ),
    variable("RETENTION_DAYS", "for ever", "days that requests are kept, 32 to 3,650"),
    variable(
        "LOG_LEVEL",
        "info (server), warn (other commands)",
        "`error`, `warn`, `info`, `debug` or `trace`; logs go to stderr and hold no prompts",
    ),
    variable("COST_OPTIMIZER_DATA_DIR", "the platform's data folder", "folder of the store and the weights"),
    variable(
        "COST_OPTIMIZER_CONFIG",
        "`config.toml` in the platform's configuration folder",
        "TOML file with these names as keys, and `[[models]]`, `[[prices]]`, `[[budgets]]`",
    ),
    variable("SUPABASE_URL", "", "address of the team's project; requests and cached answers are kept there"),
    variable(
        "SUPABASE_ANON_KEY",
        "",
        "its publishable key (`sb_publishable_…`) or anon key; never a secret key",
    ),
    variable(
        "SUPABASE_ACCESS_TOKEN",
        "",
        "a user's token, for scripts; others run `ai-cost-optimizer login`",
    ),
    variable(
        "SUPABASE_DB_URL",
        "",
        "PostgreSQL URL of the project, with the owner's password, for `migrate` alone; where it is not set, `migrate` asks",
    ),
    variable(
        "SUPABASE_JWT_SECRET",
        "",
        "`serve --http` on the operator's own server alone: verifies tokens that are signed with it; elsewhere not used, with a warning: it can mint any user's token",
    ),
    variable(
        "MCP_SERVER_PORT",
        "8001",
        "port of `serve --http` where its address names none; 0: any free one",
    ),
    variable(
        "HTTP_ALLOWED_USERS",
        "",
        "who may use `serve --http`, whose keys are the operator's: ids of users or their e-mail addresses, with commas between, or `*`",
    ),
    variable(
        "COST_OPTIMIZER_STATE_KEY",
        "one of the process's own",
        "32 bytes or more that seal the state of calls in several steps, the same for processes that serve one client",
    ),
    variable(
        "COST_OPTIMIZER_READ_ONLY",
        "false",
        "`true`: only tools that change and spend nothing; also `--read-only`",
    ),
    variable(
        "COST_OPTIMIZER_TOOLS",
        "all",
        "names of the tools that are offered, with commas between; also `--tools`",
    ),
    variable("HTTPS_PROXY", "", "proxy for calls to providers, as usual; also `HTTP_PROXY`, `NO_PROXY`"),
    variable("HF_HOME", "", "the Hugging Face cache, where weights are looked for"),
    variable("HF_ENDPOINT", "", "another hub to fetch weights from"),
];

/// Variables whose values are in no message.
const SECRETS: [&str; 12] = [
    "ANTHROPIC_API_KEY",
    "GEMINI_API_KEY",
    "GOOGLE_API_KEY",
    "CEREBRAS_API_KEY",
    "OPENROUTER_API_KEY",
    "OPENAI_COMPATIBLE_API_KEY",
    "SUPABASE_ANON_KEY",
    "SUPABASE_ACCESS_TOKEN",
    "SUPABASE_DB_URL",
    "SUPABASE_JWT_SECRET",
    "COST_OPTIMIZER_STATE_KEY",
    "HTTPS_PROXY",
];

/// Says whether a variable's value is in no message.
pub fn is_secret(name: &str) -> bool {
    SECRETS.contains(&name)
}

/// Gives a variable of the process as it is set there.
#[expect(clippy::disallowed_methods, reason = "the one place that reads the environment")]
pub fn environment(name: &str) -> Option<SecretString> {
    std::env::var(name).ok().map(SecretString::from)
}
