import { SluiceError } from '@sluice/engine'
import type { Command } from 'commander'
import type { Service } from '../compose.ts'
import type { Config } from '../config.ts'
import { readServiceConfig, type ServiceConfig } from '../service-config.ts'
import { exitCodeOf, listenForInterrupt } from './interrupt.ts'
import { interrupted, tracing } from './serve.ts'
import * as read from './values.ts'

interface WorkerFlags {
  to?: string
  concurrency?: number
}

const EXAMPLES = `
Examples:
  REDIS_URL=redis://localhost:6379 DATABASE_URL=postgres://me@host/shop S3_BUCKET=uploads sluice worker

Takes the same variables as sluice serve, and must have the same database, and the same bucket or folder. SIGTERM commits what is in
flight; another worker goes on with it.`

export function addWorker(program: Command, config: Config): void {
  program
    .command('worker')
    .summary('load what sluice serve takes (needs REDIS_URL)')
    .description('Take uploads from the queue in Redis and load them. Any number of workers may run, on any machine.')
    .option('--to <url>', 'sqlite:PATH or postgres://… (default: $DATABASE_URL, else sqlite:sluice.db)')
    .option(
      '--concurrency <n>',
      'uploads loaded at once, 2 to 64 (default: $SLUICE_CONCURRENCY, else 3)',
      read.wholeNumber('--concurrency', 2, 64),
    )
    .addHelpText('after', EXAMPLES)
    .action(async (flags: WorkerFlags) => {
      // It listens nowhere, so that HOST is none of its business.
      const settings = readServiceConfig(process.env, config, { to: flags.to, host: 'localhost', port: 0 })
      process.exitCode = await work({ ...settings, concurrency: flags.concurrency ?? settings.concurrency })
    })
}

/** Whatever can reach the port may read the figures; they hold no data. */
async function serveMetrics({ jobs }: Service, port: number): Promise<AsyncDisposable> {
  const [{ createRegistry }, { listenForMetrics }] = await Promise.all([
    import('../telemetry/metrics.ts'),
    import('../telemetry/listener.ts'),
  ])
  return listenForMetrics(createRegistry(jobs), process.env['HOST'] || '127.0.0.1', port)
}

async function work(config: ServiceConfig): Promise<number> {
  if (config.redisUrl === null) {
    throw new SluiceError(
      'SLUICE_CONFIG',
      'sluice worker takes uploads from a queue in Redis: set REDIS_URL, here and for sluice serve. Without one sluice serve loads them itself',
    )
  }
  const [{ pino }, { startService }] = await Promise.all([import('pino'), import('../compose.ts')])
  const log = pino({ level: config.logLevel })
  using interrupt = listenForInterrupt(
    () => log.info('stopping: what is in flight is being committed; a second signal stops at once'),
    () => undefined,
  )
  await using _traces = await tracing('sluice worker')
  await using service = await startService(config, log, true)
  await using _metrics = config.metricsPort === null ? undefined : await serveMetrics(service, config.metricsPort)
  process.stderr.write(`sluice: working, up to ${config.concurrency} uploads at once\n`)
  await interrupted(interrupt.signal)
  await service.jobs.stop()
  const signal = interrupt.received()
  return signal === null || signal === 'SIGTERM' ? 0 : exitCodeOf(signal)
}
