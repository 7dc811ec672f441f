from typer.testing import CliRunner

from holdfast.cli.app import app


def ran(*words):
    """What a command prints, where it does what it is told."""
    done = CliRunner().invoke(app, [*map(str, words)])
    if done.exception and not isinstance(done.exception, SystemExit):
        raise done.exception
    assert done.exit_code == 0, done.output
    return done.stdout
