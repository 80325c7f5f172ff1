import { SluiceError } from '@sluice/engine'
import type { Command } from 'commander'
import type { Config } from '../config.ts'
import { readServiceConfig, type ServiceConfig } from '../service-config.ts'
import { exitCodeOf, listenForInterrupt } from './interrupt.ts'
import * as read from './values.ts'

interface ServeFlags {
  to?: string
  port?: number
  host?: string
}

const EXAMPLES = `
Examples:
  sluice serve                                             http://localhost:3002, into sluice.db, files in ./sluice-data
  curl -X POST -F "file=@large.csv" http://localhost:3002/upload
  DATABASE_URL=postgres://me@host/shop S3_BUCKET=uploads SLUICE_API_KEYS=… sluice serve

With REDIS_URL uploads are loaded by sluice worker, and by this process only with SLUICE_SERVE_LOADS=1.
Everything else is told by environment variables. SIGTERM commits what is in flight; unfinished loads go on with the next start.`

export function addServe(program: Command, config: Config): void {
  program
    .command('serve')
    .summary('take uploads over HTTP')
    .description('Take files over HTTP and load them, in the background or as they come.')
    .option('--to <url>', 'sqlite:PATH or postgres://… (default: $DATABASE_URL, else sqlite:sluice.db)')
    .option('--port <n>', 'port; 0 takes a free one (default: $PORT, else 3002)', read.wholeNumber('--port', 0, 65_535))
    .option('--host <address>', 'where to listen (default: $HOST, else this machine only, or everywhere with API keys)')
    .addHelpText('after', EXAMPLES)
    .action(async (flags: ServeFlags) => {
      process.exitCode = await serve(readServiceConfig(process.env, config, flags))
    })
}

async function serve(config: ServiceConfig): Promise<number> {
  // What serves HTTP is loaded by this command only.
  const [{ pino }, { startService }, { createServer }] = await Promise.all([
    import('pino'),
    import('../compose.ts'),
    import('../http/server.ts'),
  ])
  const log = pino({ level: config.logLevel })
  using interrupt = listenForInterrupt(
    () => log.info('stopping: what is in flight is being committed; a second signal stops at once'),
    () => undefined,
  )
  await using _traces = await tracing('sluice serve')
  await using service = await startService(config, log)
  const server = await createServer({ config, service: service.jobs })
  try {
    const url = await server.listen({ host: config.host, port: config.port })
    process.stderr.write(`sluice: listening on ${url}\n`)
    await interrupted(interrupt.signal)
    // New requests are refused, and those that are under way end with what they have.
    await Promise.all([server.close(), service.jobs.stop()])
  } catch (error) {
    throw listenError(error, config)
  }
  const signal = interrupt.received()
  return signal === null || signal === 'SIGTERM' ? 0 : exitCodeOf(signal)
}

/** Sends traces where a collector is named; else nothing of that is loaded. */
export async function tracing(service: string): Promise<AsyncDisposable | undefined> {
  if (!(process.env['OTEL_EXPORTER_OTLP_ENDPOINT'] || process.env['OTEL_EXPORTER_OTLP_TRACES_ENDPOINT']))
    return undefined
  return (await import('../telemetry/traces.ts')).startTracing(service)
}

/** Resolves when the signal is aborted. */
export function interrupted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve()
    else signal.addEventListener('abort', () => resolve(), { once: true })
  })
}

function listenError(error: unknown, { host, port }: ServiceConfig): unknown {
  const { code, message } = error as NodeJS.ErrnoException
  if (code === 'EADDRINUSE')
    return new SluiceError('SLUICE_CONFIG', `Port ${port} of ${host} is taken: stop what listens there, or set PORT`)
  if (code === 'EACCES' || code === 'EADDRNOTAVAIL')
    return new SluiceError('SLUICE_CONFIG', `Cannot listen on ${host}, port ${port}: ${message}`)
  return error
}
