// The page: in a host it asks for numbers and keeps them fresh; as a file of its own it shows those it was given.

const TOOL = 'cost_report'
const EXTRA = 'ai-cost-optimizer/dashboard'
const LIVE_MS = 30_000
const MOST_DOUBLINGS = 5
const FIRST_RESULT_MS = 3_000
const SECTIONS = [
  ['headline', headline],
  // At the end where there are none.
  ['warnings', (data) => data.warnings?.length > 0 && warningsSection(data)],
  ['days', daysSection],
  ['month', monthSection],
  ['budgets', budgetsSection],
  ['by-model', ({ by_model }) => shares('by-model', 'By model', 'Model', by_model)],
  ['by-strategy', ({ by_strategy }) => shares('by-strategy', 'By strategy', 'Strategy', by_strategy)],
  ['by-source', ({ by_source }) => shares('by-source', 'By source', 'Source', by_source?.map(spokenSource))],
  ['groups', ({ groups }) => shares('groups', 'By group', 'Group', groups)],
  ['cache', cacheSection],
  ['experiments', experimentsSection],
  ['requests', requestsSection],
  ['warnings', (data) => data.warnings?.length === 0 && warningsSection(data)],
]

const view = {
  /** Arguments of the report that is shown, or being fetched. */
  asked: { period: '30d' },
  shown: undefined,
  shownText: '',
  canAsk: false,
  isOver: false,
  isInSight: true,
  isDue: false,
  /** Counts what is asked for and comes in, so that an answer that is late is left alone. */
  turn: 0,
  failures: 0,
  timer: undefined,
}

function part(id) {
  return document.getElementById(id)
}

function spokenSource(group) {
  return { ...group, key: spoken(group.key) }
}

/** Sets a text, unless it is that already: it would be read out again. */
function say(id, text) {
  if (part(id).textContent !== text) part(id).textContent = text
}

/** Gives the data of a tool's result; of a host that leaves `_meta` out, what else there is. */
function dataOf(result) {
  if (result.isError) {
    const texts = (result.content ?? []).map(({ text }) => text ?? '')
    throw new Error(texts.join(' ') || 'the report failed')
  }
  const full = result._meta?.[EXTRA]
  if (full) return full
  const { structuredContent } = result
  if (!structuredContent) throw new Error('the result holds no numbers')
  const { cache_error_bound } = structuredContent
  const cache = isNumber(cache_error_bound) ? { error_bound: cache_error_bound } : undefined
  return { budgets: [], warnings: [], ...structuredContent, cache, isPart: true }
}

function show(data) {
  say('covered', coveredWords(data))
  part('simulated').hidden = !data.simulated
  view.shown = data
  const text = JSON.stringify({ ...data, as_of: '', from: '', to: '' })
  if (text === view.shownText) return
  view.shownText = text
  const opened = new Set(Array.from(document.querySelectorAll('details[open]'), ({ id }) => id))
  const focused = document.activeElement?.id
  part('sections').replaceChildren(...SECTIONS.map(([id, make]) => made(id, make, data)).filter(Boolean))
  for (const element of document.querySelectorAll('details')) element.open = opened.has(element.id)
  if (focused) part(focused)?.focus({ preventScroll: true })
  drawFigures()
}

/** Makes a section; data that it does not understand leave the others as they are. */
function made(id, make, data) {
  try {
    return make(data)
  } catch (error) {
    return section(id, spoken(id), quiet(`This part could not be shown: ${error.message}.`))
  }
}

function coveredWords({ from, to, as_of, simulated, isPart }) {
  const words = []
  if (from && to) {
    const begin = Date.parse(from) > 0 ? `From ${minute(from)}` : 'From the beginning'
    words.push(`${begin} to ${minute(to)} UTC.`)
  }
  if (as_of) words.push(`As of ${new Date(Date.parse(as_of)).toISOString().slice(11, 19)}.`)
  if (simulated) words.push('The answers and what they cost are simulated: nothing was bought.')
  if (isPart) words.push('This host passes on only a part of the numbers.')
  return words.join(' ')
}

/** Asks for the report again. `by` says who wants it: a person is told that it came, others are not. */
async function refresh(by) {
  view.turn += 1
  const { turn } = view
  clearTimeout(view.timer)
  view.isDue = false
  part('sections').setAttribute('aria-busy', 'true')
  say('told', '')
  try {
    const result = await ask('tools/call', { name: TOOL, arguments: view.asked })
    if (turn !== view.turn) return
    show(dataOf(result))
    view.failures = 0
    say('trouble', '')
    if (by === 'person') say('told', 'Updated.')
  } catch (error) {
    if (turn !== view.turn) return
    view.failures += 1
    say('trouble', `Could not refresh: ${error.message}. ${view.shown ? 'Shown is what was known before.' : ''}`)
  }
  part('sections').removeAttribute('aria-busy')
  waitForNext()
}

/** Refreshes again in a while, later the more often it failed. */
function waitForNext() {
  clearTimeout(view.timer)
  if (!view.canAsk || view.isOver || !part('live').querySelector('input').checked) return
  const pause_ms = LIVE_MS * 2 ** Math.min(view.failures, MOST_DOUBLINGS)
  view.timer = setTimeout(() => {
    view.isDue = true
    refreshIfSeen()
  }, pause_ms)
}

/** Refreshes what is due, if anyone can see it. */
function refreshIfSeen() {
  if (view.isDue && view.isInSight && !document.hidden && !view.isOver) refresh('timer')
}

/** Notes what was asked for, and shows which period that is. */
function takeInput({ arguments: input }) {
  const { period, from, to } = input ?? {}
  const isOwn = from !== undefined || to !== undefined
  view.asked = isOwn ? { from, to } : { period: period ?? '30d' }
  part('own-period').hidden = !isOwn
  view.own = isOwn ? view.asked : undefined
  const wanted = isOwn ? '' : view.asked.period
  for (const choice of periodChoices()) choice.checked = choice.value === wanted
}

function periodChoices() {
  return part('periods').querySelectorAll('input')
}

function takeResult(result) {
  view.turn += 1
  part('sections').removeAttribute('aria-busy')
  try {
    show(dataOf(result))
    say('trouble', '')
  } catch (error) {
    say('trouble', `${error.message}`)
  }
  waitForNext()
}

function endAll() {
  view.isOver = true
  view.turn += 1
  clearTimeout(view.timer)
  return {}
}

/** Tells the host how tall the page is. */
function tellSize() {
  const { width, height } = document.body.getBoundingClientRect()
  notify('ui/notifications/size-changed', { width: Math.ceil(width), height: Math.ceil(height) })
}

function setControls() {
  part('refresh').addEventListener('click', () => refresh('person'))
  part('live').addEventListener('change', waitForNext)
  part('periods').addEventListener('change', ({ target }) => {
    view.asked = target.value === '' ? view.own : { period: target.value }
    refresh('person')
  })
  document.addEventListener('visibilitychange', refreshIfSeen)
  new IntersectionObserver((entries) => {
    view.isInSight = entries.at(-1).isIntersecting
    refreshIfSeen()
  }).observe(document.body)
  part('controls').hidden = false
}

async function converse() {
  say('covered', 'Waiting for the numbers…')
  listen(
    {
      'ui/notifications/tool-input': takeInput,
      'ui/notifications/tool-result': takeResult,
      'ui/notifications/tool-cancelled': () => say('trouble', 'The report was cancelled.'),
      'ui/notifications/host-context-changed': dress,
    },
    { 'ui/resource-teardown': endAll, ping: () => ({}) },
  )
  try {
    const { can, context } = await greet()
    dress(context)
    view.canAsk = can.serverTools !== undefined
  } catch (error) {
    say('trouble', `No conversation with the host: ${error.message}.`)
    return
  }
  if (view.canAsk) setControls()
  notify('ui/notifications/initialized', {})
  new ResizeObserver(tellSize).observe(document.body)
  // Not every host says what came of the call that opened this page.
  if (view.canAsk) setTimeout(() => view.shown || view.isOver || refresh('timer'), FIRST_RESULT_MS)
}

/** Draws anew where the room has changed by more than a scroll bar. */
function followWidth() {
  let drawnAt = document.body.clientWidth
  new ResizeObserver(() => {
    const { clientWidth } = document.body
    if (Math.abs(clientWidth - drawnAt) < 20) return
    drawnAt = clientWidth
    drawFigures()
  }).observe(document.body)
}

function begin() {
  followWidth()
  const given = part('data').textContent.trim()
  if (given) showGiven(given)
  else if (window.parent !== window) converse()
  else
    say(
      'trouble',
      'This page is shown by a host of MCP Apps. For a file with numbers: ai-cost-optimizer report --html FILE',
    )
}

function showGiven(json) {
  try {
    show(JSON.parse(json))
  } catch (error) {
    say('trouble', `The numbers in this file cannot be read: ${error.message}`)
  }
}

begin()
