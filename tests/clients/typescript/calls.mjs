// What is asked of each tool: calls that must be answered, and, from its schema, calls that must be refused.

const PROMPT = 'What is the capital of France?'
const ARMS = [
  { name: 'now', model: 'anthropic/claude-haiku-5-5' },
  { name: 'dear', model: 'anthropic/claude-opus-5-5' },
]
const UNKNOWN_ID = '01890a5d-ac96-774b-bcce-b302099a8057'

let experiments = 0
let limit = 1_000

export const experiment = (more) => {
  experiments += 1
  return { name: `experiment-${experiments}`, metric: 'cost_usd', arms: ARMS, max_requests: 1_000, ...more }
}

/** An answer that was bought, and the same from the cache. */
async function answers(session) {
  const bought = await session.call('route_prompt', { prompt: PROMPT })
  const cached = await session.call('route_prompt', { prompt: PROMPT })
  return { bought: bought.structuredContent.request_id, cached: cached.structuredContent.request_id }
}

/**
 * For each tool, arguments that are good, made anew for each call.
 *
 * `base` is what every value of an argument with a list of values is tried with, unless `fixed` names the argument.
 */
export const GOOD = {
  route_prompt: {
    base: () => ({ prompt: PROMPT }),
    others: async (session) => [
      { prompt: PROMPT, dry_run: true },
      { prompt: PROMPT, resume: (await answers(session)).bought },
      {
        prompt: 'And of Norway?',
        system: 'Answer in one word.',
        context: [
          { role: 'user', text: PROMPT },
          { role: 'assistant', text: 'Paris' },
        ],
        max_output_tokens: 16,
        temperature: 0.2,
        quality: 'economy',
        strategy: 'complexity',
        model: 'anthropic/claude-haiku-5-5',
        max_cost_usd: 1,
        allow_unpriced: true,
        cache: 'refresh',
        session: 'geography',
        tags: ['north', 'south'],
      },
    ],
  },
  cost_report: {
    base: () => ({}),
    others: () => [
      { from: '2026-01-01', to: '2026-02-01T00:00:00Z', limit: 1 },
      { group_by: 'tag', format: 'csv' },
    ],
  },
  rate_response: {
    base: async (session) => ({ request_id: (await answers(session)).cached }),
    needs: { verdict: 'good' },
    others: async (session) => [{ request_id: (await answers(session)).bought, rating: 0.5, comment: 'well' }],
  },
  set_budget: {
    // A limit as tight as the one in force is refused.
    base: () => ({ period: 'month', limit_usd: (limit -= 1), on_breach: 'warn' }),
    others: () => [{ period: 'day', limit_usd: 0.5, on_breach: 'block', tag: 'nobody' }],
  },
  start_experiment: {
    base: () => experiment(),
    others: () => [
      experiment({
        hypothesis: 'it is dearer',
        unit: 'session',
        direction: 'lower',
        guardrails: [{ metric: 'latency_ms', margin: 100 }],
        minimum_effect: 0.001,
        equivalence_margin: 0.0001,
        alpha: 0.1,
        max_days: 7,
        max_spend_usd: 1,
        eligibility: { tags: ['nobody'], quality: 'best', tier: 'complex' },
        auto_stop: true,
        idempotency_key: `key ${experiments}`,
      }),
      experiment({ max_spend_usd: 50, confirm: true, eligibility: { tags: ['nobody'] } }),
    ],
    after: stop,
  },
  experiment_report: { base: started, after: stop },
  stop_experiment: {
    base: started,
    others: async (session) => [{ ...(await started(session)), adopt: 'now' }],
    after: stop,
  },
  forget_cache: {
    base: () => ({ all: true, dry_run: true }),
    others: async (session) => [
      { request_id: (await answers(session)).bought },
      { older_than: '7d', dry_run: true },
      { older_than: '2026-01-01T00:00:00Z' },
      { all: true },
    ],
  },
}

async function started(session) {
  const args = experiment()
  await session.call('start_experiment', args)
  return { name: args.name }
}

async function stop(session, { name }) {
  await session.call('stop_experiment', { name })
}

/** Lists the arguments of a tool's calls that must be answered: one for each value, and the other ones. */
export async function* goodCalls(session, tool) {
  const { base, needs = {}, others = () => [] } = GOOD[tool.name]
  yield { ...(await base(session)), ...needs }
  for (const [argument, { enum: values = [] }] of Object.entries(tool.inputSchema.properties ?? {})) {
    for (const value of values) yield { ...(await base(session)), [argument]: value }
  }
  yield* await others(session)
}

/** Makes calls that a tool must refuse, each with the argument to be named, from what its schema accepts. */
export function badCalls(tool, base) {
  const { properties = {}, required = [] } = tool.inputSchema
  const calls = [['an argument that there is not', { ...base, no_such: 1 }, 'no_such']]
  for (const argument of required) {
    const { [argument]: _, ...rest } = base
    calls.push([`no ${argument}`, rest, argument])
  }
  for (const [argument, schema] of Object.entries(properties)) {
    for (const [what, value] of wrong(schema)) {
      calls.push([`${argument} ${what}`, { ...base, [argument]: value }, argument])
    }
  }
  return calls
}

const OF_ANOTHER_TYPE = {
  string: [7, {}],
  number: ['much', []],
  integer: [1.5, 'many'],
  boolean: ['yes', 1],
  array: ['one', {}],
  object: ['one', 3],
}

function wrong({ type, enum: values, minimum, maximum, minLength, maxLength, minItems, maxItems, items }) {
  const found = OF_ANOTHER_TYPE[type].map((value) => [`as ${JSON.stringify(value)}`, value])
  if (values) found.push(['of no known value', 'no-such-value'])
  if (minimum !== undefined) found.push(['below its least', minimum - 1])
  if (maximum !== undefined) found.push(['above its most', maximum + 1])
  if (minLength !== undefined) found.push(['too short', 'x'.repeat(minLength - 1)])
  if (maxLength !== undefined) found.push(['too long', 'x'.repeat(maxLength + 1)])
  if (minItems !== undefined) found.push(['with too few', ARMS.slice(0, minItems - 1)])
  if (maxItems !== undefined) {
    found.push(['with too many', Array.from({ length: maxItems + 1 }, (_, place) => ({ name: `arm-${place}` }))])
  }
  if (items?.type === 'object') found.push(['with an item of another type', ['one']])
  if (items?.properties) found.push(['with an unknown field in an item', [{ no_such: 1 }]])
  return found
}

/** What no schema can say: the tool, what is wrong, the arguments, and words that the refusal must have. */
export const MISTAKES = [
  ['route_prompt', 'an unknown model', { prompt: 'Hi', model: 'no-such' }, ['no-such', 'anthropic/']],
  ['route_prompt', 'a cost too small', { prompt: 'Hi', max_cost_usd: 1e-9 }, ['max_cost_usd', 'raise']],
  ['route_prompt', 'a request to resume that there is not', { prompt: 'Hi', resume: UNKNOWN_ID }, [UNKNOWN_ID]],
  ['route_prompt', 'a request to resume that is no id', { prompt: 'Hi', resume: 'x' }, ['resume', '`x`']],
  ['cost_report', 'reversed dates', { from: '2026-02-02', to: '2026-02-01' }, ['from', 'exchange']],
  ['cost_report', 'a date that is none', { from: 'soon' }, ['from', 'soon']],
  ['cost_report', 'another date that is none', { to: 'soon' }, ['to', 'soon']],
  ['cost_report', 'a period with dates', { from: '2026-02-02', period: '7d' }, ['period', 'one of them']],
  ['rate_response', 'an unknown request', { request_id: UNKNOWN_ID, rating: 1 }, ['request_id', UNKNOWN_ID]],
  ['rate_response', 'no rating', { request_id: UNKNOWN_ID }, ['rating', 'verdict']],
  ['set_budget', 'a limit below nothing', { period: 'day', limit_usd: -1, on_breach: 'warn' }, ['limit_usd', '-1']],
  ['set_budget', 'a blank tag', { period: 'day', limit_usd: 1, on_breach: 'warn', tag: '' }, ['tag']],
  ['start_experiment', 'a blank key', experiment({ idempotency_key: ' ' }), ['idempotency_key']],
  ['start_experiment', 'a blank name', experiment({ name: ' ' }), ['name']],
  ['start_experiment', 'a chance beyond 1', experiment({ alpha: 2 }), ['alpha', '2']],
  [
    'start_experiment',
    'an unknown model',
    experiment({ arms: [{ name: 'a' }, { name: 'b', model: 'no-such' }] }),
    ['no-such'],
  ],
  ['experiment_report', 'an unknown experiment', { name: 'none' }, ['`none`']],
  ['experiment_report', 'an id that is none', { name: 'none', format: 'csv', after: 'x' }, ['after', '`x`']],
  ['stop_experiment', 'an unknown experiment', { name: 'none' }, ['`none`']],
  ['forget_cache', 'nothing to forget', {}, ['request_id', 'older_than', 'all']],
  ['forget_cache', 'an age that is none', { older_than: 'long' }, ['older_than', 'long']],
  ['forget_cache', 'a likeness to nothing', { min_similarity: 0.9 }, ['like']],
  ['forget_cache', 'a likeness without a measure', { like: 'Hi' }, ['min_similarity']],
  ['forget_cache', 'two ways to forget', { all: true, older_than: '7d' }, ['all', 'older_than']],
]
