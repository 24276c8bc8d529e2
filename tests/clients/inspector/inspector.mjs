// Inspector's command, once for each question: it starts a server, asks, and ends it.

import { spawn } from 'node:child_process'
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { check } from '../supabase/checks.mjs'

/** What Inspector ends with. */
export const EXIT = { good: 0, refused: 1, noApp: 2, toolError: 5 }
const CALL_MS = 60_000

export class Inspector {
  constructor({ program, modules, folder, era }) {
    mkdirSync(folder, { recursive: true })
    const script = join(modules, 'node_modules/@modelcontextprotocol/inspector/clients/launcher/build/index.js')
    // No weights are fetched.
    const settings = {
      COST_OPTIMIZER_DATA_DIR: join(folder, 'data'),
      COST_OPTIMIZER_CONFIG: '/dev/null',
      HF_ENDPOINT: 'http://127.0.0.1:9',
    }
    const env = Object.entries(settings).flatMap(([name, value]) => ['-e', `${name}=${value}`])
    this.words = [script, '--cli', program, '--simulate', ...env, '--format', 'json', '--protocol-era', era]
    this.environment = { ...process.env, HOME: folder }
    this.era = era
  }

  check(claim, isTrue, found) {
    check(`${this.era}: ${claim}`, isTrue, found)
  }

  /** Asks one thing; resolves to the exit code, the JSON on stdout and what is on stderr. */
  async ask(method, ...options) {
    const child = spawn(process.execPath, [...this.words, '--method', method, ...options], {
      env: this.environment,
      stdio: ['ignore', 'pipe', 'pipe'],
      timeout: CALL_MS,
    })
    let [stdout, stderr] = ['', '']
    child.stdout.on('data', (chunk) => {
      stdout += chunk
    })
    child.stderr.on('data', (chunk) => {
      stderr += chunk
    })
    const code = await new Promise((resolve) => child.on('close', resolve))
    return { code, stderr, ...parsed(stdout) }
  }

  call(name, args, ...options) {
    return this.ask('tools/call', '--tool-name', name, '--tool-args-json', JSON.stringify(args), ...options)
  }

  /** Asks what must be answered; resolves to the result. */
  async answered(claim, asked) {
    const { code, result, stderr } = await asked
    this.check(claim, code === EXIT.good && result !== undefined, { code, stderr: stderr.slice(-400) })
    return result ?? {}
  }
}

function parsed(stdout) {
  try {
    return JSON.parse(stdout)
  } catch {
    return {}
  }
}
