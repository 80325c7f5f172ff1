import { join } from 'node:path'
import { roundTrips } from './round-trip-suite.ts'

roundTrips(async (folder) => ({ to: `sqlite:${join(folder, 'round-trip.db')}`, stop: async () => undefined }))
