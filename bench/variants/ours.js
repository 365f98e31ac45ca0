import graceful from '../../dist/index.js'

export default async app => {
  app.register(graceful)
}
