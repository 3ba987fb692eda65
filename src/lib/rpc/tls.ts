// Mutual TLS: both ends show a certificate that the other's authority has signed. Files are read once, at start.
import { ChannelCredentials, ServerCredentials, type ChannelOptions } from '@grpc/grpc-js'
import { readFileSync } from 'node:fs'
import { isIP } from 'node:net'
import { checkServerIdentity, createSecureContext } from 'node:tls'
import { WeirError, errorMessage } from '../errors.ts'

/** PEM files. */
export interface TlsFiles {
  /** Own certificate, with intermediates. */
  readonly cert: string
  readonly key: string
  /** Authorities of which the peer's certificate must come. The system's are never trusted. */
  readonly ca: string
}

export interface TlsMaterial {
  readonly cert: Buffer
  readonly key: Buffer
  readonly ca: Buffer
}

/** @throws WeirError CONFIG_INVALID when a file cannot be read or they do not fit together. */
export function readTlsFiles(files: TlsFiles): TlsMaterial {
  const material = {
    cert: read('--tls-cert', files.cert),
    key: read('--tls-key', files.key),
    ca: read('--tls-ca', files.ca),
  }
  try {
    createSecureContext(material)
  } catch (error) {
    throw new WeirError(
      'CONFIG_INVALID',
      `--tls-cert ${files.cert}, --tls-key ${files.key}, --tls-ca ${files.ca}: ${errorMessage(error)}`,
      { cause: error, mend: 'use PEM files, and the key that belongs to the certificate' },
    )
  }
  return material
}

function read(flag: string, file: string): Buffer {
  try {
    return readFileSync(file)
  } catch (error) {
    throw new WeirError('CONFIG_INVALID', `${flag} ${file}: ${errorMessage(error)}`, { cause: error })
  }
}

/** For a server: who has no certificate of `ca` is refused in the handshake. */
export function serverTls({ ca, cert, key }: TlsMaterial): ServerCredentials {
  return ServerCredentials.createSsl(ca, [{ cert_chain: cert, private_key: key }], true)
}

/** What an address is dialled as: the name that a client sends in its hello must not be one (RFC 6066). */
const NAME_OF_ADDRESSES = 'weir-agent'

/** For a client: the server's certificate must be of `ca` and name the host that was dialled, also by address. */
export function clientTls(
  { ca, cert, key }: TlsMaterial,
  host: string,
): { readonly credentials: ChannelCredentials; readonly options: ChannelOptions } {
  if (isIP(host) === 0) return { credentials: ChannelCredentials.createSsl(ca, key, cert), options: {} }
  return {
    credentials: ChannelCredentials.createSsl(ca, key, cert, {
      checkServerIdentity: (_name, certificate) => checkServerIdentity(host, certificate),
    }),
    options: { 'grpc.ssl_target_name_override': NAME_OF_ADDRESSES },
  }
}
