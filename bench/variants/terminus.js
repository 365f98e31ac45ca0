import { createTerminus } from '@godaddy/terminus'

export default async app => {
  createTerminus(app.server, { signal: 'SIGTERM', timeout: 10_000, onSignal: () => app.close() })
}
