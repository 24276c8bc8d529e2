//! What `route_prompt` takes.

use schemars::JsonSchema;
use serde::Deserialize;

use crate::domain::decision::{Quality, StrategyName};
use crate::domain::ids::{NotAnId, RequestId};
use crate::domain::money::Usd;
use crate::domain::prompt::{CacheMode, MAX_PROMPT_CHARS, Prompt, Role, RouteRequest, Turn, UnpricedModels};

const MAX_TURNS: usize = 200;
const MAX_TAGS: usize = 20;
const MAX_NAME_CHARS: usize = 100;

/// Arguments of `route_prompt`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RouteInput {
    /// The prompt to answer
    #[schemars(length(min = 1, max = 200_000))]
    prompt: String,
    /// System prompt
    system: Option<String>,
    /// Earlier turns, oldest first
    #[serde(default)]
    context: Vec<TurnInput>,
    /// Limit on visible output tokens (default 1024)
    #[schemars(range(min = 1, max = 128_000))]
    max_output_tokens: Option<u32>,
    /// 0 to 2; above 0.3 nothing is cached
    #[schemars(range(min = 0.0, max = 2.0))]
    temperature: Option<f64>,
    /// How good the answer must be (default balanced)
    quality: Option<QualityInput>,
    /// How the model is chosen (default hybrid)
    strategy: Option<StrategyInput>,
    /// Use this model only: `provider/model` or a bare id
    model: Option<String>,
    /// The most this call may cost, in US dollars
    #[schemars(range(min = 0.0))]
    max_cost_usd: Option<f64>,
    /// Also use models whose price is unknown
    #[serde(default)]
    allow_unpriced: bool,
    /// use: read and store; refresh: store only; off: neither
    cache: Option<CacheInput>,
    /// Only list candidates with their prices; nothing is sent or recorded
    #[serde(default)]
    dry_run: bool,
    /// Name of the conversation this belongs to
    session: Option<String>,
    /// Labels to report costs by
    #[serde(default)]
    tags: Vec<String>,
    /// Bring back the answer of this earlier request_id, instead of asking; the prompt is not read
    resume: Option<String>,
}

/// What a call of `route_prompt` wants.
#[derive(Debug)]
pub enum Wish {
    Route(Box<RouteRequest>),
    Plan(Box<RouteRequest>),
    Resume(RequestId),
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct TurnInput {
    role: RoleInput,
    text: String,
}

names!(RoleInput, Role, User, Assistant);
names!(pub(super) QualityInput, Quality, Economy, Balanced, Best);
names!(pub(super) StrategyInput, StrategyName, Complexity, Learning, Hybrid);
names!(CacheInput, CacheMode, Use, Refresh, Off);

impl RouteInput {
    /// Checks every value, and says what is wanted.
    pub fn into_wish(self, default_strategy: StrategyName) -> Result<Wish, String> {
        if let Some(id) = self.resume {
            return id.parse().map(Wish::Resume).map_err(|error: NotAnId| format!("resume {error}"));
        }
        let wish = if self.dry_run { Wish::Plan } else { Wish::Route };
        Ok(wish(Box::new(self.into_request(default_strategy)?)))
    }

    /// Checks every value; an error names the argument, what it was and what is accepted.
    fn into_request(self, default_strategy: StrategyName) -> Result<RouteRequest, String> {
        let prompt = Prompt::new(self.prompt).map_err(|error| error.to_string())?;
        let temperature = match self.temperature {
            Some(value) if !(0.0..=2.0).contains(&value) => {
                return Err(format!("temperature is {value}; it goes from 0 to 2"));
            }
            other => other,
        };
        let max_cost = match self.max_cost_usd.map(Usd::from_dollars) {
            Some(Ok(amount)) if amount >= Usd::ZERO => Some(amount),
            None => None,
            Some(Ok(amount)) => return Err(format!("max_cost_usd is {amount}; it must not be negative")),
            Some(Err(error)) => return Err(format!("max_cost_usd: {error}")),
        };
        if self.max_output_tokens.is_some_and(|tokens| tokens == 0 || tokens > 128_000) {
            return Err(format!(
                "max_output_tokens is {}; it goes from 1 to 128000",
                self.max_output_tokens.unwrap_or_default()
            ));
        }
        let context_chars: usize = self.context.iter().map(|turn| turn.text.len()).sum();
        let system_chars = self.system.as_ref().map_or(0, String::len);
        if self.context.len() > MAX_TURNS || context_chars + system_chars > 4 * MAX_PROMPT_CHARS {
            return Err(format!(
                "context and system are {} turns and {} bytes; the limits are {MAX_TURNS} and {}: drop the oldest turns",
                self.context.len(),
                context_chars + system_chars,
                4 * MAX_PROMPT_CHARS
            ));
        }
        let texts = self.context.iter().map(|turn| &turn.text).chain(&self.system);
        if texts.into_iter().any(|text| text.contains('\0')) {
            return Err("context or system holds a NUL character: remove it".to_owned());
        }
        let names = self.tags.iter().chain(&self.session).chain(&self.model);
        let is_bad = |name: &&String| {
            name.trim().is_empty()
                || name.chars().count() > MAX_NAME_CHARS
                || name.chars().any(char::is_control)
        };
        if self.tags.len() > MAX_TAGS {
            return Err(format!("{} tags were given; the limit is {MAX_TAGS}", self.tags.len()));
        }
        if names.into_iter().any(|name| is_bad(&name)) {
            return Err(format!(
                "a tag, session or model is blank, longer than {MAX_NAME_CHARS} characters, or holds a control character"
            ));
        }
        let mut tags = self.tags;
        tags.sort();
        tags.dedup();
        Ok(RouteRequest {
            prompt,
            system: self.system.filter(|text| !text.is_empty()),
            context: self.context.into_iter().map(Turn::from).collect(),
            max_output_tokens: self.max_output_tokens.unwrap_or(RouteRequest::DEFAULT_MAX_OUTPUT_TOKENS),
            temperature,
            quality: self.quality.map(Quality::from).unwrap_or_default(),
            strategy: self.strategy.map_or(default_strategy, StrategyName::from),
            pinned_model: self.model,
            max_cost,
            unpriced: if self.allow_unpriced { UnpricedModels::Allow } else { UnpricedModels::Refuse },
            cache: self.cache.map(CacheMode::from).unwrap_or_default(),
            session: self.session,
            tags,
        })
    }
}

impl From<TurnInput> for Turn {
    fn from(turn: TurnInput) -> Self {
        Self { role: turn.role.into(), text: turn.text }
    }
}
