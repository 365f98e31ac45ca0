import stoppable from 'stoppable'

export default async app => {
  stoppable(app.server, 10_000)
}
