"""What NetworkPolicies let through, as far as these manifests use them: selectors, address blocks, ports."""

import ipaddress

EVERYBODY = "198.51.100.7"


def selects(selector, labels):
    """Whether a label selector fits."""
    if any(labels.get(key) != value for key, value in selector.get("matchLabels", {}).items()):
        return False
    for expression in selector.get("matchExpressions", []):
        assert expression["operator"] == "In", expression
        if labels.get(expression["key"]) not in expression["values"]:
            return False
    return True


def peer_fits(peer, other):
    """Whether a rule's peer means `other`: the labels of a pod in the same namespace, or an address."""
    if "ipBlock" in peer:
        return isinstance(other, str) and ipaddress.ip_address(other) in ipaddress.ip_network(peer["ipBlock"]["cidr"])
    if isinstance(other, str) or "namespaceSelector" in peer:
        return False
    return selects(peer["podSelector"], other)


def rule_fits(rule, other, ports, side):
    """Whether one rule lets `other` through on one of `ports`, a port's number and name."""
    peers, allowed = rule.get(side), rule.get("ports")
    return (not peers or any(peer_fits(peer, other) for peer in peers)) and (
        not allowed or any(port["port"] in ports for port in allowed)
    )


def passes(policies, pod, other, ports, direction):
    """Whether the policies of one end let the other through; a pod that no policy selects is open."""
    if isinstance(pod, str):
        return True
    of_pod = [p["spec"] for p in policies if selects(p["spec"]["podSelector"], pod) and direction in p["spec"]["policyTypes"]]
    side = "from" if direction == "Ingress" else "to"
    rules = [rule for spec in of_pod for rule in spec.get(direction.lower(), [])]
    return not of_pod or any(rule_fits(rule, other, ports, side) for rule in rules)


def reaches(policies, source, target, *ports):
    """Whether `source` can open a connection to `target`."""
    return passes(policies, source, target, ports, "Egress") and passes(policies, target, source, ports, "Ingress")
