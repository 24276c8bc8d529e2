// The program under test, through the official client, with all that it and the client say beside the answers.

import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { check } from '../supabase/checks.mjs'

export const ERAS = ['legacy', 'auto', '2026-07-28']
const CALL_MS = 30_000
// The client waits two seconds for the server to go by itself, then ends it.
const EXIT_MS = 1_800

// A limit that any request passes, and that refuses none.
const WARNING_BUDGET = '[[budgets]]\nperiod = "month"\nlimit_usd = 1e-12\non_breach = "warn"\n'

export const isModern = (era) => era !== 'legacy'

const mode = (era) => (era === 'legacy' || era === 'auto' ? era : { pin: era })

/** A folder for servers: what one writes, the next one finds. */
export class Home {
  constructor({ sdk, program, folder, era }) {
    mkdirSync(folder, { recursive: true })
    Object.assign(this, { sdk, program, folder, era })
  }

  /** Writes a configuration; gives its path. */
  warnsAtOnce() {
    const path = join(this.folder, 'config.toml')
    writeFileSync(path, WARNING_BUDGET)
    return path
  }

  /** Starts a server; resolves to a connected session. */
  async open({ args = ['--simulate'], env = {}, capabilities = {}, answer } = {}) {
    const { Client, StdioClientTransport } = this.sdk
    const transport = new StdioClientTransport({
      command: this.program,
      args,
      stderr: 'pipe',
      env: {
        PATH: process.env.PATH,
        HOME: this.folder,
        NO_PROXY: '127.0.0.1,localhost',
        // No weights are fetched.
        HF_ENDPOINT: 'http://127.0.0.1:9',
        COST_OPTIMIZER_DATA_DIR: join(this.folder, 'data'),
        COST_OPTIMIZER_CONFIG: '/dev/null',
        ...env,
      },
    })
    const client = new Client(
      { name: 'conversation', version: '1.0.0' },
      { capabilities, versionNegotiation: { mode: mode(this.era) } },
    )
    const session = new Session(this.era, client, transport)
    if (answer) client.setRequestHandler('elicitation/create', answer)
    await client.connect(transport)
    session.listenIn()
    return session
  }
}

export class Session {
  stderr = ''
  errors = []
  messages = []
  updates = []
  /** Codes of errors as the server wrote them; the client tells some of the older ones as newer ones. */
  codes = []

  constructor(era, client, transport) {
    Object.assign(this, { era, client, transport })
    transport.stderr.on('data', (chunk) => {
      this.stderr += chunk
    })
    client.onerror = (error) => this.errors.push(String(error))
    client.setNotificationHandler('notifications/message', ({ params }) => void this.messages.push(params))
    client.setNotificationHandler('notifications/resources/updated', ({ params }) => void this.updates.push(params.uri))
  }

  listenIn() {
    const { onmessage } = this.transport
    this.transport.onmessage = (message, extra) => {
      if (message.error) this.codes.push(message.error.code)
      onmessage(message, extra)
    }
  }

  check(claim, isTrue, found) {
    check(`${this.era}: ${claim}`, isTrue, found)
  }

  call(name, args, options = {}, meta) {
    return this.client.callTool(
      { name, arguments: args, ...(meta && { _meta: meta }) },
      { timeout: CALL_MS, ...options },
    )
  }

  /** Resolves to a result, or to the message of the error and its code as the server wrote it. */
  async refusal(request) {
    const before = this.codes.length
    return request.then(
      (result) => ({ result }),
      ({ message, code }) => ({ code: this.codes[before] ?? code, message }),
    )
  }

  /** Hangs up, and checks that the server took it well. */
  async close(what) {
    const { pid } = this.transport
    const began = performance.now()
    await this.client.close()
    const took = Math.round(performance.now() - began)
    this.check(`${what}: the server goes at the end of input`, took < EXIT_MS && !isAlive(pid), { took })
    this.check(`${what}: the client took every message`, this.errors.length === 0, this.errors)
    this.check(`${what}: nothing panicked`, !this.stderr.includes('panicked'), this.stderr.slice(-400))
  }
}

function isAlive(pid) {
  try {
    return process.kill(pid, 0)
  } catch {
    return false
  }
}

export const textOf = (result) =>
  (result.content ?? [])
    .filter(({ type }) => type === 'text')
    .map(({ text }) => text)
    .join('\n')
