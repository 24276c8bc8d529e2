// Numbers that no simulation brings about in a minute: many days, losses, limits passed, and names that look like code.

const DAY_MS = 86_400_000
const AS_OF = '2026-11-26T08:16:27.250Z'
const END = Date.parse('2026-11-26T00:00:00Z')

/** A name that would do harm where it is taken for markup; what it would set is looked for. */
export const HOSTILE = '<img src=x onerror="window.harmed=1"><script>window.harmed=1</script>\u202e${1}/*DATA*/'

const day = (time) => new Date(time).toISOString().slice(0, 10)

function totals(requests, cost_usd, baseline_cost_usd, others = {}) {
  const saved_usd = baseline_cost_usd - cost_usd
  return {
    requests,
    cost_usd,
    baseline_cost_usd,
    saved_usd,
    saved_percent: Math.round((saved_usd / baseline_cost_usd) * 10_000) / 100,
    cache_hits: Math.floor(requests / 4),
    cache_hit_rate: Math.floor(requests / 4) / requests,
    input_tokens: requests * 812,
    output_tokens: requests * 240,
    unpriced_requests: 0,
    estimated_requests: 0,
    failed_requests: 0,
    ...others,
  }
}

// The model was dearer than the baseline in the last days.
const days = Array.from({ length: 26 }, (_, place) => {
  const cost = 0.4 + 0.25 * Math.sin(place * 1.7) + (place > 22 ? 0.6 : 0)
  return { key: day(END - (25 - place) * DAY_MS), ...totals(40 + place, cost, 0.9 + 0.1 * Math.cos(place)) }
}).filter((_, place) => place % 7 !== 3)

const points = Array.from({ length: 30 }, (_, place) => {
  const width = 0.02 / Math.sqrt(place + 1)
  const effect = -0.004 + 0.003 / (place + 1)
  const at = new Date(END - (30 - place) * 3_600_000).toISOString()
  return { at, effect, low: effect - width, high: effect + width }
})

/** What the server may send, by the contract of the page. */
export const rich = {
  as_of: AS_OF,
  from: '2026-10-27T08:16:27.250Z',
  to: '2026-11-26T08:16:28.250Z',
  totals: totals(1_312, 14.1234, 13.5, {
    saved_interval_usd: [-1.2, 0.01],
    audits: 3,
    audit_cost_usd: 0.000123,
    unpriced_requests: 2,
    estimated_requests: 1,
    failed_requests: 5,
    unsettled_requests: 1,
    unsettled_worst_case_usd: 0.02,
  }),
  by_day: days,
  by_model: [
    { key: 'anthropic/claude-opus-5-5', ...totals(80, 9.5, 8.1) },
    { key: 'gemini/gemini-2.5-flash-lite', ...totals(900, 0.000123, 4.2) },
    { key: HOSTILE, ...totals(12, 0.31, 0.2) },
    { key: `compatible/${'a-very-long-model-name-'.repeat(5)}`, ...totals(1, 0.01, 0.02) },
  ],
  by_strategy: [
    { key: 'hybrid', ...totals(1_200, 14, 13) },
    { key: 'fixed', ...totals(112, 0.1234, 0.5) },
  ],
  by_source: [
    { key: 'provider', ...totals(984, 14.1234, 9) },
    { key: 'cache_semantic', ...totals(328, 0, 4.5) },
  ],
  cache: { entries: 4_211, hits: 9_120, error_bound: 0.0173, policy: 'calibrated' },
  budgets: [
    {
      period: 'month',
      limit_usd: 20,
      on_breach: 'warn',
      set_by: 'model',
      spent_usd: 12.2,
      reserved_usd: 1.5,
      remaining_usd: 6.3,
    },
    {
      period: 'day',
      tag: HOSTILE,
      limit_usd: 1,
      on_breach: 'block',
      set_by: 'config',
      spent_usd: 1.2,
      reserved_usd: 0,
      remaining_usd: -0.2,
    },
    {
      period: 'day',
      tag: 'batch',
      limit_usd: 5,
      on_breach: 'downgrade',
      set_by: 'config',
      spent_usd: 4.3,
      reserved_usd: 0.1,
      remaining_usd: 0.6,
    },
  ],
  forecast: {
    month_end_usd: { p10: 13.1, p50: 14.6, p90: 17.2 },
    days_to_cap: { p10: 4 },
    anomaly: '$1.1 on 2026-11-24, where at most $0.8 is usual',
  },
  month: { end: '2026-12-01', days: days.map(({ key, cost_usd }) => ({ day: key, cost_usd })) },
  experiments: [
    {
      name: 'cheaper for short questions',
      status: 'active',
      metric: 'cost_usd',
      unit: 'US$',
      verdict: 'treatment_better',
      why: 'cheap costs $0.0039 less a request, between $0.0073 and $0.0005 less',
      control: 'now',
      comparisons: [
        { arm: 'cheap', effect: -0.0039, interval: [-0.0073, -0.0005], verdict: 'treatment_better', points },
      ],
    },
    {
      name: HOSTILE,
      status: 'stopped',
      metric: 'rating',
      unit: '',
      verdict: 'undecided',
      why: 'no ratings yet',
      control: 'now',
      comparisons: [{ arm: 'terse', verdict: 'undecided', points: [] }],
    },
  ],
  requests: [
    {
      request_id: '1',
      at: AS_OF,
      status: 'completed',
      source: 'provider',
      model: 'claude-opus-5-5',
      provider: 'anthropic',
      cost_usd: 0.0123,
      saved_usd: -0.002,
      latency_ms: 2_310,
    },
    {
      request_id: '2',
      at: '2026-11-26T08:10:00Z',
      status: 'completed',
      source: 'cache_semantic',
      model: 'gemini-2.5-flash-lite',
      provider: 'gemini',
      cost_usd: 0,
      saved_usd: 0.0000123,
      latency_ms: 4,
    },
    { request_id: '3', at: '2026-11-25T23:59:00Z', status: 'failed', latency_ms: 30_000 },
  ],
  warnings: ['anthropic/claude-opus-4-8: retires on 2026-12-15', `${HOSTILE}: price changes on 2026-12-01`],
}
