// Certificates for one test, made by openssl: an authority, and who it vouches for.
import { execFileSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Test } from 'tap'
import type { TlsFiles } from '../../src/lib/rpc/tls.ts'

export class Authority {
  readonly #dir: string

  constructor(t: Test) {
    this.#dir = mkdtempSync(join(tmpdir(), 'weir-ca-'))
    t.teardown(() => rmSync(this.#dir, { recursive: true, force: true }))
    this.#openssl('req', '-x509', ...NEW_KEY, '-days', '1', '-subj', '/CN=test authority', ...this.#out('ca'))
  }

  get file(): string {
    return join(this.#dir, 'ca.pem')
  }

  /** `names` as openssl wants them, e.g. `IP:127.0.0.1`, `DNS:agent.example`. */
  issue(name: string, names: string): TlsFiles {
    const request = join(this.#dir, `${name}.csr`)
    const extensions = join(this.#dir, `${name}.ext`)
    writeFileSync(extensions, `subjectAltName=${names}\n`)
    this.#openssl('req', ...NEW_KEY, '-subj', `/CN=${name}`, '-keyout', this.#key(name), '-out', request)
    this.#openssl(
      ...['x509', '-req', '-in', request, '-days', '1', '-CA', this.file, '-CAkey', this.#key('ca')],
      ...['-CAcreateserial', '-extfile', extensions, '-out', join(this.#dir, `${name}.pem`)],
    )
    return { cert: join(this.#dir, `${name}.pem`), key: this.#key(name), ca: this.file }
  }

  #out(name: string): string[] {
    return ['-keyout', this.#key(name), '-out', join(this.#dir, `${name}.pem`)]
  }

  #key(name: string): string {
    return join(this.#dir, `${name}.key`)
  }

  #openssl(...args: string[]): void {
    execFileSync('openssl', args, { stdio: 'ignore' })
  }
}

const NEW_KEY = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes']
