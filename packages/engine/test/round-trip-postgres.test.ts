import { roundTrips } from './round-trip-suite.ts'
import { startPostgres } from './support/postgres.ts'

roundTrips(async () => {
  const { url, stop } = await startPostgres()
  return { to: url, stop }
})
