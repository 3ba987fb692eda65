// `--redirect hybrid`
import t from 'tap'
import { canRunPrivileged } from '../../helpers/privileges.ts'
import { testRedirect } from '../../helpers/redirect-suite.ts'

if (canRunPrivileged(t)) testRedirect(t, 'hybrid')
