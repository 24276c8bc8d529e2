// The conversation with the host: JSON-RPC by messages to the window around this one.

const PROTOCOL_VERSION = '2026-01-26'
const ANSWER_MS = 60_000
const METHOD_NOT_FOUND = -32601

const unanswered = new Map()
let lastId = 0

function post(message) {
  // A sandboxed page is of no origin and does not know its host's; what it posts is no secret.
  window.parent.postMessage({ jsonrpc: '2.0', ...message }, '*')
}

function notify(method, params) {
  post({ method, params })
}

/** Asks the host; fails by the host's error, or if it does not answer. */
function ask(method, params) {
  lastId += 1
  const id = lastId
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => {
      unanswered.delete(id)
      reject(new Error('the host did not answer'))
    }, ANSWER_MS)
    unanswered.set(id, { resolve, reject, timer })
    post({ id, method, params })
  })
}

function settle({ id, result, error }) {
  const asked = unanswered.get(id)
  if (!asked) return
  unanswered.delete(id)
  clearTimeout(asked.timer)
  if (error) asked.reject(new Error(String(error.message ?? 'the host refused')))
  else asked.resolve(result ?? {})
}

/** Calls a function by what the host notifies of; what it requests is answered by `requests`. */
function listen(notifications, requests) {
  window.addEventListener('message', ({ source, data }) => {
    if (source !== window.parent || data?.jsonrpc !== '2.0') return
    const { id, method, params } = data
    if (method === undefined) settle(data)
    else if (id === undefined) own(notifications, method)?.(params ?? {})
    else if (own(requests, method)) post({ id, result: requests[method](params ?? {}) })
    else post({ id, error: { code: METHOD_NOT_FOUND, message: `this view does not know ${method}` } })
  })
}

/** Gives what an object itself holds by a name from outside. */
function own(object, key) {
  return Object.hasOwn(object, key) ? object[key] : undefined
}

/** Greets the host; gives what it can do and how it looks. */
async function greet() {
  const { hostCapabilities, hostContext } = await ask('ui/initialize', {
    protocolVersion: PROTOCOL_VERSION,
    appInfo: { name: 'ai-cost-optimizer-dashboard', version: '1.0.0' },
    appCapabilities: { availableDisplayModes: ['inline', 'fullscreen'] },
  })
  return { can: hostCapabilities ?? {}, context: hostContext ?? {} }
}

/** Takes on how the host looks. */
function dress({ theme, styles, safeAreaInsets }) {
  const { style, dataset } = document.documentElement
  if (theme === 'light' || theme === 'dark') {
    style.colorScheme = theme
    dataset.theme = theme
  }
  for (const [variable, value] of Object.entries(styles?.variables ?? {})) {
    if (/^--[\w-]+$/.test(variable) && typeof value === 'string') style.setProperty(variable, value)
  }
  for (const side of ['top', 'right', 'bottom', 'left']) {
    const inset = safeAreaInsets?.[side]
    if (isNumber(inset)) style.setProperty(`--inset-${side}`, `${inset}px`)
  }
}
