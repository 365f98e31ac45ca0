import { createHttpTerminator } from 'http-terminator'

export default async app => {
  createHttpTerminator({ server: app.server })
}
