"""The hypervisor: vm, vcpu, vcore, doorbells, cede, hcalls, host generations."""
