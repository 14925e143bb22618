"""How alembic runs a migration here: on the connection that it is given, in that one's transaction."""

from alembic import context

from idto3d_eval.preference.database.tables import metadata

context.configure(connection=context.config.attributes["connection"], target_metadata=metadata)
context.run_migrations()
