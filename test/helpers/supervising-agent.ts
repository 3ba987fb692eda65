// A process that supervises dummy workers, to be killed: supervising-agent.js STATE_DIR WORKERS
import { Supervisor } from '../../src/agent/supervisor.ts'
import { createLogger } from '../../src/lib/log.ts'

const [, , stateDir = '', workers = '1'] = process.argv
const supervisor = new Supervisor({
  stateDir,
  workers: Number(workers),
  command: () => [process.execPath, '-e', 'setInterval(() => {}, 1000)'],
  log: createLogger('agent', 'silent'),
})
supervisor.start()
process.stdout.write(`${JSON.stringify(supervisor.workers())}\n`)
