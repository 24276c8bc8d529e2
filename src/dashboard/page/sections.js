// What the numbers of a time say: sums, shares, cache, limits, requests. A section without data is left out.

const NO_REQUESTS = 'No requests in this time. route_prompt makes the first; or choose a longer period.'
const OPEN_ROWS = 8
const REQUEST_STATES = { intent: 'under way', completed: 'answered', failed: 'failed' }

function headline({ totals, cache, budgets }) {
  if (!totals) return undefined
  return section(
    'headline',
    'In this time',
    make(
      'dl',
      { class: 'tiles' },
      tile('Spent', amount(totals.cost_usd), ['the baseline would have cost ', amount(totals.baseline_cost_usd)]),
      tile('Saved', amount(totals.saved_usd), savingWords(totals)),
      tile(
        'Requests',
        number(totals.requests),
        totals.failed_requests > 0 ? `${count(totals.failed_requests)} failed` : 'none failed',
      ),
      tile('From the cache', exact(totals.cache_hit_rate, percent(totals.cache_hit_rate)), hitWords(totals, cache)),
    ),
    totals.requests === 0 ? quiet(NO_REQUESTS) : remarks(totals),
    overspent(budgets),
  )
}

function tile(title, value, words) {
  return make('div', {}, make('dt', {}, title), make('dd', {}, value, quiet(words)))
}

function savingWords({ saved_usd, saved_percent, saved_interval_usd }) {
  const words = []
  if (isNumber(saved_percent)) {
    const share = percent(Math.abs(saved_percent) / 100)
    words.push(saved_usd < 0 ? `${share} dearer than the baseline` : `${share} of what the baseline costs`)
  } else {
    words.push('against the baseline')
  }
  if (saved_interval_usd) {
    const [low, high] = saved_interval_usd
    words.push('; between ', amount(low), ' and ', amount(high), ', as some costs are estimates')
  }
  return words
}

function hitWords({ cache_hits, requests }, cache) {
  const words = [`${count(cache_hits)} of ${several(requests, 'request')}`]
  if (isNumber(cache?.error_bound)) words.push(`; ${boundWords(cache.error_bound)}`)
  return words
}

function boundWords(bound) {
  return `of answers to similar prompts at most ${percent(bound)} are wrong, at 95 % confidence`
}

/** Lists what the sums do not say by themselves. */
function remarks(totals) {
  const { unpriced_requests, estimated_requests, unsettled_requests, unsettled_worst_case_usd, audits } = totals
  const lines = []
  if (unpriced_requests)
    lines.push(`Without a known price, and in no sum of money: ${several(unpriced_requests, 'request')}.`)
  if (estimated_requests) lines.push(`With an estimated cost: ${several(estimated_requests, 'request')}.`)
  if (unsettled_requests) {
    const most = isNumber(unsettled_worst_case_usd) ? `, at most ${money(unsettled_worst_case_usd)}` : ''
    lines.push(`Begun and not finished, their cost not known${most}: ${several(unsettled_requests, 'request')}.`)
  }
  if (audits) {
    lines.push(`Paid for to check the cache: ${several(audits, 'request')}, ${money(totals.audit_cost_usd ?? 0)}.`)
  }
  lines.push(`${several(totals.input_tokens, 'token')} in, ${count(totals.output_tokens)} out.`)
  return make(
    'ul',
    { class: 'quiet' },
    lines.map((line) => make('li', {}, line)),
  )
}

function overspent(budgets) {
  const passed = (budgets ?? []).filter(({ remaining_usd }) => remaining_usd <= 0).length
  return passed > 0 ? make('p', { class: 'notice' }, `${several(passed, 'limit')} used up: see Budgets.`) : undefined
}

/** Shows what each group costs, dearest first: a table of which the bars are only a picture. */
function shares(id, title, what, groups) {
  if (!groups) return undefined
  if (groups.length === 0) return section(id, title, quiet(NO_REQUESTS))
  const dearest = Math.max(...groups.map((group) => group.cost_usd), 0)
  const rows = groups.map((group) => {
    const bar = make('span', { class: 'bar', 'aria-hidden': 'true' })
    bar.style.width = `${dearest > 0 ? (Math.max(0, group.cost_usd) / dearest) * 100 : 0}%`
    const requests = make('small', {}, number(group.requests), group.requests === 1 ? ' request' : ' requests')
    return [[named(group.key), bar, requests], amount(group.cost_usd), amount(group.saved_usd)]
  })
  return section(id, title, longTable(id, title, [what, '#Cost', '#Saved'], rows))
}

/** Makes a table of which only the first rows are open. */
function longTable(id, title, columns, rows) {
  const rest = rows.slice(OPEN_ROWS)
  return [
    table(title, columns, rows.slice(0, OPEN_ROWS)),
    rest.length > 0
      ? disclosure(`${id}-rest`, `${count(rest.length)} more`, table(`${title}, the rest`, columns, rest))
      : '',
  ]
}

function cacheSection({ cache, totals }) {
  if (!cache) return undefined
  const { entries, hits, error_bound, policy } = cache
  const facts = []
  if (isNumber(entries)) facts.push(['Stored answers', number(entries)])
  if (isNumber(hits)) facts.push(['Used again', number(hits)])
  if (totals)
    facts.push([
      'Requests answered from it, in this time',
      `${count(totals.cache_hits)} (${percent(totals.cache_hit_rate)})`,
    ])
  if (isNumber(error_bound)) facts.push(['Wrong answers', boundWords(error_bound)])
  if (policy) facts.push(['Policy', named(policy)])
  const empty =
    entries === 0 ? quiet('Nothing is stored yet: the next answer that may be used again will be.') : undefined
  return section(
    'cache',
    'Cache',
    empty,
    make(
      'dl',
      { class: 'facts' },
      facts.map(([title, value]) => make('div', {}, make('dt', {}, title), make('dd', {}, value))),
    ),
  )
}

function budgetsSection({ budgets }) {
  if (!budgets) return undefined
  if (budgets.length === 0) {
    return section(
      'budgets',
      'Budgets',
      quiet('No limits are set. set_budget sets one: of a day or a month, of all requests or of those with a tag.'),
    )
  }
  return section('budgets', 'Budgets', budgets.map(budget))
}

function budget({ period, tag, limit_usd, on_breach, set_by, spent_usd, reserved_usd, remaining_usd }) {
  const share = (usd) => (limit_usd > 0 ? Math.min(1, Math.max(0, usd / limit_usd)) : 1)
  const used = share(spent_usd)
  const title = make('span', {}, `A ${period}`, tag === undefined ? '' : [', tag ', named(tag)])
  const left = remaining_usd < 0 ? `${money(-remaining_usd)} over it` : `${money(remaining_usd)} left`
  const reserved = reserved_usd > 0 ? `, ${money(reserved_usd)} set aside for requests under way` : ''
  const words = `${money(spent_usd)} of ${money(limit_usd)} spent${reserved}, ${left}`
  const [spentBar, reservedBar] = ['spent', 'reserved'].map((kind) => make('span', { class: kind }))
  spentBar.style.width = `${used * 100}%`
  reservedBar.style.width = `${Math.min(1 - used, share(reserved_usd ?? 0)) * 100}%`
  const state = used >= 1 ? 'meter full' : used >= 0.8 ? 'meter high' : 'meter'
  const meter = make(
    'div',
    {
      class: state,
      role: 'meter',
      'aria-label': plain(`Budget a ${period}${tag === undefined ? '' : `, tag ${tag}`}`),
      'aria-valuemin': 0,
      'aria-valuemax': limit_usd,
      'aria-valuenow': Math.min(limit_usd, Math.max(0, spent_usd)),
      'aria-valuetext': words,
    },
    spentBar,
    reservedBar,
  )
  const rules = [on_breach && `on breach: ${spoken(on_breach)}`, set_by && `set by: ${spoken(set_by)}`].filter(Boolean)
  return make(
    'div',
    { class: 'budget' },
    make('p', {}, title, make('span', {}, `${percent(limit_usd > 0 ? spent_usd / limit_usd : 1)} used`)),
    meter,
    quiet([words, ...rules].join('; ')),
  )
}

function requestsSection({ requests, as_of }) {
  if (!requests) return undefined
  if (requests.length === 0)
    return section('requests', 'Latest requests', quiet('No requests yet: route_prompt makes the first.'))
  const rows = requests.map(({ at, status, source, model, provider, cost_usd, saved_usd, latency_ms }) => {
    const who = model ?? REQUEST_STATES[status] ?? spoken(status)
    const said = [
      provider,
      source && spoken(source),
      REQUEST_STATES[status] ?? spoken(status),
      `${count(latency_ms)} ms`,
    ]
    return [
      make('time', { datetime: at }, recently(at, as_of ?? at)),
      [named(who), make('small', {}, named(said.filter((part) => part && part !== who).join(' · ')))],
      [amount(cost_usd), isNumber(saved_usd) ? make('small', {}, 'saved ', amount(saved_usd)) : undefined],
    ]
  })
  const columns = ['At, UTC', 'Answered by', '#Cost']
  return section('requests', 'Latest requests', longTable('requests', 'Latest requests, newest first', columns, rows))
}

function warningsSection({ warnings }) {
  if (!warnings) return undefined
  if (warnings.length === 0)
    return section('warnings', 'Warnings', quiet('None: no known price changes, and no model retires soon.'))
  return section(
    'warnings',
    'Warnings',
    make(
      'ul',
      {},
      warnings.map((warning) => make('li', {}, named(warning))),
    ),
  )
}
