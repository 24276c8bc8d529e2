//! `ai-cost-optimizer`: an MCP server that answers a prompt at the lowest cost that still answers it well, and
//! proves the saving.
//!
//! **prompt → assign → exact lookup → embed → semantic lookup → route → reserve → provider → price → record → answer**
//!
//! [`pipeline`] reads as that sentence. Decisions are made in pure code and acted on at the edges; imports go
//! one way, down this list, and a test keeps it so:
//!
//! | module | what it is |
//! |---|---|
//! | [`domain`] | the nouns: prompt, model, usage, money, embedding, decision, answer, rating, records |
//! | [`config`] | the environment and the TOML file, read once |
//! | [`cost`] | pure: prices by model and time, built in and live, estimates, savings against a named baseline, the month's forecast |
//! | [`budget`] | pure: what may be spent, and what happens to a request that would go over it |
//! | [`routing`], [`cache`] | pure: which model to ask; which stored answer may be served, which kept |
//! | [`experiments`] | pure: which arm a request belongs to, and what the outcomes of the arms prove |
//! | [`auth`] | adapter: the session of a Supabase user, and the tokens that requests of others carry |
//! | [`embed`], [`store`], [`providers`] | adapters: MiniLM on this machine; SQLite or a Supabase project; HTTP |
//! | [`pipeline`] | the flow |
//! | [`dashboard`] | surface: numbers as pictures, and as a page |
//! | [`mcp`] | surface: the server, its tools and resources |
//! | [`http`] | surface: the same server for a team, over HTTP |
//! | [`app`], [`telemetry`] | composition, logs |
//! | [`cli`] | surface: the command line |
//!
//! What always holds:
//!
//! 1. The answer names the model that was billed, and its cost is what the provider's own rules say.
//! 2. Nobody is paid before an intent is written; once somebody may be paid, a tracked task sees it through to
//!    the record. A call that nobody waits for is broken off and recorded with what it may have cost.
//! 3. The sum of the rows is every report.
//! 4. stdout carries JSON-RPC, or a command's result, and nothing else. Prompts, answers and keys are in no
//!    log, error, URL or argument list.
//! 5. A cached answer is served only inside its scope and its bound on wrong answers; a doubt is a miss.
//! 6. Every call to a provider is in `attempts` and in the totals, also one that failed.
//! 7. An unknown price is no price: it is never zero, and reports count it apart.
//! 8. What is spent and what requests under way may cost never pass a limit together; a model can only tighten one.
//! 9. No user of a project sees another's row, count or error; a record that waits on this machine is sent under its
//!    own user's token only.

pub mod domain;

pub mod config;

pub mod cost;

pub mod budget;
pub mod cache;
pub mod experiments;
pub mod routing;

pub mod auth;

pub mod embed;
pub mod providers;
pub mod store;

pub mod pipeline;

pub mod dashboard;

pub mod mcp;

pub mod http;

pub mod app;
pub mod telemetry;

pub mod cli;
