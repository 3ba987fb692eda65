// kill -9 of everything that a mode runs, and a new start: who hears of it, and who gets past.
import { type RawHttpClient } from '../../test/helpers/raw-http.ts'
import { FAMILIES, atOnce, type Outcome } from './outcome.ts'
import { setDeaf } from './changes.ts'
import { type Running } from './modes.ts'
import { endOf, openHttp, probe, speakOnOrphan } from './requests.ts'
import { type Site } from './site.ts'

/** Rows of the table, by title. */
export async function crashAndRestart(site: Site, running: Running): Promise<Record<string, Outcome>> {
  const live = { v4: await openHttp(site, 'v4'), v6: await openHttp(site, 'v6') }
  // These clients do not hear of the end, as if the packets that tell them were lost.
  const orphans = { v4: await openHttp(site, 'v4'), v6: await openHttp(site, 'v6') }
  const ports = FAMILIES.map((family) => orphans[family].socket.localPort ?? 0)
  setDeaf(site, ports, true)
  await running.kill()
  const ended = await atOnce((family) => endOf(live[family]))
  const meanwhile = await atOnce((family) => probe(site.client, site.server[family]))
  await running.restart()
  const afterwards = await atOnce((family) => probe(site.client, site.server[family]))
  setDeaf(site, ports, false)
  return {
    'proxy killed: live connection': ended,
    'proxy killed: new connection': meanwhile,
    'proxy restarted: new connection': afterwards,
    'proxy restarted: orphan of the crash': await atOnce((family) => outlive(orphans[family])),
  }
}

/** What is left of the old proxy in the kernel repeats its FIN: either that or a reset comes first. */
async function outlive(orphan: RawHttpClient): Promise<string> {
  return (await speakOnOrphan(orphan)).replace(/^(ends|reset) .*/, 'ends')
}
