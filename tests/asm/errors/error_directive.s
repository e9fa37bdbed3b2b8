# The author's own messages.
        .warning "only a warning"
        .error "this guest needs -D CPUS=n"
        .err
