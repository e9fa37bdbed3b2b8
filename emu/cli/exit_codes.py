"""Exit codes of every subcommand. Scripts rely on them: a number here never changes."""

EXIT_OK = 0  # fine, or the guest reported 0
EXIT_FAILED = 1  # the guest reported failure, or an expectation failed
EXIT_USAGE = 2
EXIT_BAD_INPUT = 3  # could not be assembled, loaded or parsed
EXIT_LIMIT = 4  # of instructions; of a search: of states, time or instructions
EXIT_DEADLOCK = 5  # no vcpu can ever run again
EXIT_TRAP = 6  # a guest trap that nobody handles
EXIT_VIOLATION = 7  # a property is violated, or a litmus result is not the expected one
EXIT_INTERNAL = 70
EXIT_INTERRUPTED = 130  # Ctrl-C
EXIT_CLOSED_PIPE = 141  # whoever read standard output went away (128 + SIGPIPE)
