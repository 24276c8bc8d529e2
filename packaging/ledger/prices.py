"""US dollars a million tokens, typed from the providers' price pages as they stood on 2026-11-22.

Nothing here comes from the data of genai-prices: that is what the ledger is held against. A row is input, output, cache
read, cache write for 5 minutes, cache write for an hour; None where the page has no such price.
"""

# https://platform.claude.com/docs/en/about-claude/pricing
ANTHROPIC = {
    "claude-haiku-5-5": ("0.10", "0.50", "0.01", "0.125", "0.20"),
    "claude-haiku-4-5": ("1", "5", "0.10", "1.25", "2"),
    "claude-sonnet-5-5": ("2", "10", "0.10", "2.5", "4"),
    "claude-sonnet-5": ("2", "10", "0.20", "2.5", "4"),
    "claude-sonnet-4-6": ("3", "15", "0.30", "3.75", "6"),
    "claude-opus-5-5": ("4", "20", "0.20", "5", "8"),
    "claude-opus-5": ("5", "25", "0.50", "6.25", "10"),
    "claude-opus-4-8": ("5", "25", "0.50", "6.25", "10"),
    "claude-opus-4-7": ("5", "25", "0.50", "6.25", "10"),
    "claude-opus-4-6": ("5", "25", "0.50", "6.25", "10"),
    "claude-fable-5-1": ("10", "50", "0.25", "12.5", "20"),
    "claude-fable-5": ("10", "50", "1.00", "12.5", "20"),
}
# A prompt of more than 100,000 tokens, cached ones among them: every token of the call.
HAIKU_LONG = ("0.50", "2.50", "0.05", "0.625", "1")
HAIKU_LIMIT = 100_000
# Batch: half of each of these prices. Inference in the US: each of them and a tenth more.
BATCH = {
    "claude-haiku-5-5": ("0.05", "0.25", "0.005", "0.0625", "0.10"),
    "claude-sonnet-5-5": ("1", "5", "0.05", "1.25", "2"),
    "claude-opus-5-5": ("2", "10", "0.10", "2.5", "4"),
}
HAIKU_LONG_BATCH = ("0.25", "1.25", "0.025", "0.3125", "0.50")
IN_THE_US = {
    "claude-haiku-5-5": ("0.11", "0.55", "0.011", "0.1375", "0.22"),
    "claude-opus-5-5": ("4.4", "22", "0.22", "5.5", "8.8"),
}
HAIKU_LONG_IN_THE_US = ("0.55", "2.75", "0.055", "0.6875", "1.1")
HAIKU_BATCH_IN_THE_US = ("0.055", "0.275", "0.0055", "0.06875", "0.11")

# https://ai.google.dev/gemini-api/docs/pricing; thoughts are output.
GEMINI = {
    "gemini-2.5-flash-lite": ("0.10", "0.40", "0.01"),
    "gemini-3.1-flash-lite": ("0.25", "1.5", "0.025"),
    "gemini-3.5-flash-lite": ("0.30", "2.5", "0.03"),
    "gemini-2.5-flash": ("0.30", "2.5", "0.03"),
    "gemini-3-flash-preview": ("0.50", "3", "0.05"),
    "gemini-3.6-flash": ("0.75", "3.75", "0.075"),
    "gemini-3.7-flash": ("0.75", "3.75", "0.075"),
    "gemini-3.8-flash": ("0.75", "3.75", "0.075"),
    "gemini-3.5-flash": ("1.5", "9", "0.15"),
    "gemini-3.1-pro-preview": ("2", "12", "0.20"),
    "gemini-2.5-pro": ("1.25", "10", "0.125"),
    "gemini-4-argon": ("2", "10", "0.10"),
}
# A prompt of more than 200,000 tokens: every token of the call.
GEMINI_LONG = {"gemini-3.1-pro-preview": ("4", "18", "0.40"), "gemini-2.5-pro": ("2.5", "15", "0.25")}
GEMINI_LIMIT = 200_000
# From 2027-01-01, and for gemini-4-argon from 2026-12-01.
GEMINI_LATER = {
    "gemini-3.6-flash": ("1.5", "7.5", "0.15"),
    "gemini-3.7-flash": ("1.5", "7.5", "0.15"),
    "gemini-3.8-flash": ("1.5", "7.5", "0.15"),
    "gemini-4-argon": ("4", "20", "0.20"),
}
FLEX = {"gemini-3.8-flash": ("0.375", "1.875", "0.0375"), "gemini-4-argon": ("1", "5", "0.05")}
PRIORITY = {"gemini-3.8-flash": ("1.35", "6.75", "0.135"), "gemini-4-argon": ("3.6", "18", "0.18")}

# https://api.cerebras.ai/public/v1/models; cached tokens cost what others cost.
CEREBRAS = {"gpt-oss-120b": ("0.35", "0.75"), "qwen-3.8-27b": ("0.99", "1.49")}

# https://openrouter.ai/api/v1/models; what the answer reports is what is billed.
OPENROUTER = {
    "openai/gpt-oss-120b": ("0.15", "0.60", "0.075"),
    "deepseek/deepseek-v4-flash": ("0.091", "0.182"),
    "google/gemini-3.8-flash": ("0.825", "4.125"),
    "anthropic/claude-haiku-5.5": ("0.10", "0.50", "0.01", "0.125"),
    "z-ai/glm-5.2": ("0.62", "2.42", "0.14"),
    "qwen/qwen3.8-27b": ("0.24", "2.2"),
    "qwen/qwen3.8-flash": ("0.15", "0.47", "0.016"),
}
# The fee for calls under a key of the user's own: a twentieth of what the upstream provider bills.
OPENROUTER_FEE = {"anthropic/claude-haiku-5.5": ("0.005", "0.025")}

# Rows that a user might have written for servers of his own.
OWN = {"house/small": ("0.2", "0.8", "0.05", "0.25"), "house/large": ("1.1", "3.3")}
