// Headless Chromium, and what goes wrong in it.

import { execFileSync } from 'node:child_process'
import { createServer } from 'node:http'

// What hosts give a page that asks for nothing.
const DEFAULT_CSP =
  "default-src 'none'; script-src 'self' 'unsafe-inline'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; " +
  "media-src 'self' data:; connect-src 'none'"
const NAMES = ['chromium', 'chromium-browser', 'google-chrome']

/** Finds Chromium: `$CHROMIUM`, or by its usual names. */
export function findChromium() {
  for (const name of [process.env.CHROMIUM, ...NAMES].filter(Boolean)) {
    try {
      return execFileSync('sh', ['-c', 'command -v "$1"', 'sh', name], { encoding: 'utf8' }).trim()
    } catch {
      // Not by this name.
    }
  }
  throw new Error('there is no Chromium; hint: install it, or set CHROMIUM to its path')
}

/** Opens a browser; `problems` collects all that a console would show in red or yellow. */
export async function browse({ chromium }) {
  const browser = await chromium.launch({ executablePath: findChromium(), args: ['--no-sandbox'] })
  const problems = []
  const context = await browser.newContext({ viewport: { width: 900, height: 900 } })
  await context.addInitScript(() => {
    addEventListener('securitypolicyviolation', ({ violatedDirective, blockedURI }) =>
      console.error(`CSP violation: ${violatedDirective} ${blockedURI}`),
    )
  })
  context.on('page', (page) => {
    page.on('console', (message) => {
      if (['error', 'warning'].includes(message.type())) problems.push(message.text())
    })
    page.on('pageerror', (error) => problems.push(error.stack))
    page.on('requestfailed', (request) => problems.push(`not loaded: ${request.url()}`))
  })
  return { context, problems, close: () => browser.close() }
}

/** Serves a host's page, and the view with the headers that a host gives it. */
export async function serveHost(script, view) {
  const html = `<!doctype html><html lang="en"><title>host</title><style>
    body { margin: 0 } iframe { display: block; width: 100%; height: 200px; border: 0 }</style>
    <body><script src="/host.js"></script></body></html>`
  const answers = {
    '/': ['text/html', html],
    '/host.js': ['text/javascript', script],
    '/view': ['text/html', view, { 'Content-Security-Policy': DEFAULT_CSP }],
  }
  const server = createServer((request, response) => {
    const [type, body, headers] = answers[request.url] ?? ['image/x-icon', '']
    response.writeHead(200, { 'Content-Type': `${type}; charset=utf-8`, ...headers }).end(body)
  })
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve))
  return { address: `http://127.0.0.1:${server.address().port}/`, close: () => server.close() }
}
